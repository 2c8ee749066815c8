/**
 * Who may know whom, and where names on the network are spelt. Read from the sources: imports by their paths, string
 * literals by a scanner that knows comments.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";

const root = fileURLToPath(new URL("../..", import.meta.url));
const files = ["src", "actors", "bench", "test", "examples"].flatMap((dir) =>
  readdirSync(join(root, dir), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => posix.join(dir, name.replaceAll("\\", "/"))),
);

/** Any of the forms of an import or re-export; `type` if nothing of it is left at run time. */
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?((?:[\w*{}\s,]|\$)*?\bfrom\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/g;

type Import = { readonly to: string; readonly runtime: boolean };

function importsOf(file: string): Import[] {
  const source = readFileSync(join(root, file), "utf8");
  return [...source.matchAll(IMPORT)].map(([, type, names, to, dynamic]) => {
    const specifier = to ?? dynamic!;
    const braces = /^\{([^}]*)\}/.exec(names?.trim() ?? "")?.[1];
    const named = braces?.split(",").filter((n) => n.trim() !== "");
    const onlyTypes = named?.every((n) => n.trim().startsWith("type ")) ?? false;
    return {
      to: specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : specifier,
      runtime: type === undefined && !onlyTypes,
    };
  });
}

const graph = new Map(files.map((file) => [file, importsOf(file)]));
const within = (file: string, ...dirs: string[]): boolean => dirs.some((d) => file === d || file.startsWith(`${d}/`));
const ADAPTERS = ["src/nats", "src/memory"];
/** src/index.ts is the face of it all, and of the client too */
const OUTSIDE = [...ADAPTERS, "src/cli", "src/client", "src/index.ts"];
const isCore = (file: string): boolean => within(file, "src") && !within(file, ...OUTSIDE);

/** `file → what it imports`, for every import that breaks the rule. */
function breaches(of: (file: string) => boolean, allowed: (to: string, file: string) => boolean): string[] {
  return [...graph].flatMap(([file, imports]) =>
    of(file) ? imports.filter(({ to }) => !allowed(to, file)).map(({ to }) => `${file} → ${to}`) : [],
  );
}

/** Everything that is loaded when this file is, packages included. */
function loaded(file: string, seen = new Set<string>()): Set<string> {
  for (const { to, runtime } of graph.get(file) ?? []) {
    if (!runtime || seen.has(to)) continue;
    seen.add(to);
    loaded(to, seen);
  }
  return seen;
}

test("the scanner sees the imports it judges", (t) => {
  t.true(files.length > 100);
  const host = graph.get("src/host.ts")!;
  t.true(host.some((i) => i.to === "xstate" && i.runtime));
  t.true(host.some((i) => i.to === "src/wire/table.ts" && !i.runtime));
  t.true(graph.get("actors/entrypoint.ts")!.some((i) => i.to === "src/nats/connect.ts" && i.runtime));
  for (const [file, imports] of graph) {
    for (const { to } of imports) if (within(to, "src", "actors")) t.true(graph.has(to), `${file} → ${to}`);
  }
});

test("the core knows no adapter, no command line, no client and no actor", (t) => {
  t.deepEqual(
    breaches(isCore, (to) => !within(to, ...OUTSIDE, "actors")),
    [],
  );
});

test("an adapter knows the core and itself, not the other one, no actor and no command line", (t) => {
  for (const adapter of ADAPTERS) {
    t.deepEqual(
      breaches(
        (file) => within(file, adapter),
        (to) => !within(to, "src", "actors") || isCore(to) || within(to, adapter),
      ),
      [],
    );
  }
});

test("only entrypoints, the command line, the client, benches and tests know an adapter", (t) => {
  const composes = (file: string): boolean =>
    /^actors\/.*\bmain\.ts$/.test(file) ||
    within(file, "actors/entrypoint.ts", "src/cli", "src/client", "bench", "test", "examples");
  t.deepEqual(
    breaches(
      (file) => !composes(file) && !within(file, ...ADAPTERS),
      (to) => !within(to, ...ADAPTERS),
    ),
    [],
  );
});

test("actors do not know the command line or the client (but for the sinks, which read as a client does), and nothing that ships knows a bench, a test or an example", (t) => {
  t.deepEqual(
    breaches(
      (file) => within(file, "actors"),
      (to, file) => !within(to, "src/cli", "src/client") || within(file, "actors/sink/main.ts"),
    ),
    [],
  );
  t.deepEqual(
    breaches(
      (file) => within(file, "src", "actors"),
      (to) => !within(to, "bench", "test", "examples"),
    ),
    [],
  );
});

const PURE = ["actors/provided.ts", "actors/aggregator/tally.ts", "src/errors.ts", "src/nearest.ts"];

test("a machine loads XState and pure code, nothing else: no node, NATS, TensorFlow or file system (L8)", (t) => {
  const machines = files.filter(
    (file) => within(file, "actors") && /\.createMachine\(/.test(readFileSync(join(root, file), "utf8")),
  );
  t.true(machines.length >= 5, machines.join());
  const pure = (to: string): boolean => to === "xstate" || machines.includes(to) || within(to, ...PURE);
  for (const machine of machines) {
    t.deepEqual(
      [...loaded(machine)].filter((to) => !pure(to)),
      [],
      machine,
    );
  }
});

test("each foreign package is known in its one place", (t) => {
  const homes: [RegExp, string[]][] = [
    [/^@nats-io\//, ["src/nats"]],
    [/^@tensorflow\//, ["src/engine", "src/workspace/define.ts"]],
    [/^msgpackr$/, ["src/wire/codec.ts"]],
    [/^pino$/, ["src/log.ts"]],
    [/^commander$/, ["src/cli"]],
    [/^@peculiar\//, ["src/pki"]],
    [/^xstate$/, ["src/host.ts", "src/cli", "actors"]],
  ];
  for (const [name, home] of homes) {
    t.deepEqual(
      breaches(
        (file) => within(file, "src", "actors") && !within(file, ...home),
        (to) => !name.test(to),
      ),
      [],
    );
  }
});

test("createActor is called in the host only", (t) => {
  const callers = files.filter(
    (file) => within(file, "src", "actors") && /\bcreateActor\(/.test(readFileSync(join(root, file), "utf8")),
  );
  t.deepEqual(callers, ["src/host.ts"]);
});

/** The string literals of a source, without those in comments. Templates give their fixed text. */
function literals(source: string): string[] {
  const tokens = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g;
  return [...source.matchAll(tokens)].flatMap(([, double, single, template]) =>
    [double, single, template].filter((s) => s !== undefined),
  );
}

test("names on the network are spelt in src/wire/table.ts and nowhere else (N1)", (t) => {
  const name = /\bfl\.v1\b|^FL-|\bfl-(?:\{|\$\{)/;
  const home = "src/wire/table.ts";
  const spelt = files
    .filter((file) => within(file, "src", "actors") && file !== home)
    .flatMap((file) =>
      literals(readFileSync(join(root, file), "utf8"))
        .filter((text) => name.test(text))
        .map((text) => `${file}: ${text}`),
    );
  t.deepEqual(spelt, []);
  t.true(literals(readFileSync(join(root, home), "utf8")).filter((text) => name.test(text)).length > 20);
  t.deepEqual(literals('// "fl.v1"\n/* "fl.v1" */ f("fl.v1.x", `FL-y`)'), ["fl.v1.x", "FL-y"]);
});

test("the form of a name is written in src/wire/template.ts and nowhere else", (t) => {
  const form = "A-Za-z0-9_-]{1,64}";
  const written = files.filter(
    (file) => within(file, "src", "actors") && readFileSync(join(root, file), "utf8").includes(form),
  );
  t.deepEqual(written, ["src/wire/template.ts"]);
});

test("whoever works in the system's temporary folder owns what is left there: src/scratch.ts, and spills without a name", (t) => {
  const there = files.filter(
    (file) => within(file, "src", "actors") && /\btmpdir\(/.test(readFileSync(join(root, file), "utf8")),
  );
  t.deepEqual(there.sort(), ["src/scratch.ts", "src/tensor/spill.ts"]);
});
