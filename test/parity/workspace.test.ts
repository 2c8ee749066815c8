/** An experiment's folder as one file and back, and the images of the runtime and of a role's folder: row C42. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Code, FlError } from "../../src/errors.ts";
import { packArchive } from "../../src/workspace/archive.ts";
import { packFolder, unpackFolder } from "../../src/workspace/folder.ts";
import { Cli, run } from "../support/cli.ts";
import { temporaryDir, testServer } from "../support/server.ts";

async function folder(t: ExecutionContext, files: Record<string, string>): Promise<string> {
  const dir = join(await temporaryDir(t), "mine");
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
  return dir;
}

const tree = (dir: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(dir.length + 1), readFileSync(path, "utf8")]),
  );

const source = {
  "plan.yaml": "version: 1\nrounds: 2\n",
  "workspace.ts": "export {};",
  "lib/own.ts": "export const a = 1;",
};
const own = {
  ".env": "SECRET=1",
  "node_modules/x/index.js": "",
  "data/rows.csv": "1",
  "cert/site.crt": "",
  "lib/site.key": "",
};

const refused = async (t: ExecutionContext, work: Promise<unknown>, code: Code, says: RegExp): Promise<void> => {
  const e = await t.throwsAsync<FlError>(work, { instanceOf: FlError });
  t.is(e?.code, code);
  t.regex(e?.message ?? "", says);
};

test("C42 a folder is packed without what is the site's own, and unpacked as it was", async (t) => {
  const dir = await folder(t, { ...source, ...own });
  const to = await temporaryDir(t);
  const packed = await run(t, ["workspace", "pack", dir, "-o", "mine.tgz", "--json"], to);
  t.is(packed.exit, 0, packed.said.join("\n"));
  const [line] = packed.of("packed");
  t.deepEqual(line!.files, ["lib/own.ts", "plan.yaml", "workspace.ts"]);
  t.deepEqual([...line!.left_out].sort(), [".env", "cert", "data", "lib/site.key", "node_modules"]);
  const file = join(to, "mine.tgz");
  t.is(line!.bytes, (await readFile(file)).byteLength);

  const unpacked = await run(t, ["workspace", "unpack", file, "theirs", "--digest", line!.digest, "--json"], to);
  t.is(unpacked.exit, 0, unpacked.said.join("\n"));
  t.deepEqual(unpacked.of("unpacked")[0]!.files, line!.files);
  t.deepEqual(tree(join(to, "theirs")), tree(await folder(t, source)));

  for (const args of [
    ["pack", dir, "-o", "mine.tgz"],
    ["unpack", file, "theirs"],
  ]) {
    const again = await run(t, ["workspace", ...args, "--json"], to);
    t.is(again.exit, 1);
    t.like(again.lines.at(-1), { type: "error", code: "FL_EXISTS" });
  }
  const other = await run(t, ["workspace", "unpack", file, "other", "--digest", "0".repeat(64), "--json"], to);
  t.like(other.lines.at(-1), { type: "error", code: "FL_DIGEST_MISMATCH" });
  const none = await run(t, ["workspace", "unpack", "none.tgz", "other", "--json"], to);
  t.like(none.lines.at(-1), { type: "error", code: "FL_NOT_FOUND" });
  t.deepEqual(readdirSync(to).sort(), ["mine.tgz", "theirs"]);
  const people = await run(t, ["workspace", "pack", "."], join(to, "theirs"));
  t.is(
    people.text.at(-1),
    `theirs.tgz  ${line!.bytes} bytes  SHA-256 ${line!.digest}`,
    "the same files, the same bytes",
  );
  const twice = await run(t, ["workspace", "pack", ".", "-o", "again.tgz", "--json"], join(to, "theirs"));
  t.true(twice.of("packed")[0]!.files.includes("theirs.tgz"));
  t.false(twice.of("packed")[0]!.files.includes("again.tgz"));
});

test("C42 names that try to get out, links and damage are refused, and nothing is written", async (t) => {
  const to = await temporaryDir(t);
  const good = packArchive(new Map([["a", Buffer.from("1")]]));
  await refused(t, unpackFolder(good.subarray(0, 20), join(to, "x")), "FL_ARCHIVE_INVALID", /not gzip/);
  const { gunzipSync, gzipSync } = await import("node:zlib");
  for (const name of ["../x", "/x"]) {
    const tar = gunzipSync(good);
    tar.write(name, 0);
    tar.write("        ", 148);
    const sum = tar.subarray(0, 512).reduce((a, b) => a + b, 0);
    tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    await refused(t, unpackFolder(gzipSync(tar), join(to, "in")), "FL_ARCHIVE_INVALID", /leaves the archive|absolute/);
  }
  const taken = join(to, "taken");
  await mkdir(taken);
  await writeFile(join(taken, "a"), "mine");
  await refused(t, unpackFolder(good, taken), "FL_EXISTS", /not empty/);
  t.is(await readFile(join(taken, "a"), "utf8"), "mine");
  t.deepEqual(readdirSync(to), ["taken"]);

  const dir = await folder(t, source);
  await symlink("/etc/passwd", join(dir, "lib/link.ts"));
  await refused(t, packFolder(dir), "FL_ARCHIVE_INVALID", /lib\/link\.ts: is neither a file nor a folder/);
  await refused(
    t,
    packFolder(await folder(t, { "a b.ts": "" })),
    "FL_ARCHIVE_INVALID",
    /a b\.ts: its path has characters/,
  );
  await refused(t, packFolder(await folder(t, own)), "FL_ARCHIVE_INVALID", /nothing to pack/);
  await refused(t, packFolder(join(to, "none")), "FL_NOT_FOUND", /there is no folder/);
});

type Instruction = { readonly word: string; readonly rest: string };
const instructions = (text: string): Instruction[] =>
  text
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => ({ word: line.split(" ")[0]!, rest: line.slice(line.indexOf(" ") + 1) }));
const list = (all: Instruction[], word: string): string[] =>
  JSON.parse(all.findLast((i) => i.word === word)!.rest) as string[];

test("C42 the runtime's image has what its commands need: every source of it is there, and what it copies runs", async (t) => {
  const all = instructions(await readFile("Dockerfile", "utf8"));
  const manifest = JSON.parse(await readFile("package.json", "utf8")) as Record<string, Record<string, string>>;
  const image = await temporaryDir(t);
  for (const { word, rest } of all) {
    t.true(["FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"].includes(word), word);
    if (word === "FROM") {
      const major = Number(/^node:(\d+)-/.exec(rest)?.[1]);
      t.true(major >= 20 && major % 2 === 0, rest);
    }
    for (const [, script] of rest.matchAll(/npm run ([\w-]+)/g)) t.truthy(manifest.scripts![script!], script);
    if (word !== "COPY") continue;
    const built = rest.startsWith("--from=build ");
    const [to, ...from] = rest
      .split(" ")
      .filter((w) => !w.startsWith("--"))
      .toReversed();
    for (const path of from) {
      const source = built ? posix.relative("/build", path) : path;
      t.true(existsSync(source), `${rest}: ${source}`);
      if (!built) continue;
      const target = to === "./" ? join(image, posix.basename(source)) : join(image, to!);
      await mkdir(dirname(target), { recursive: true });
      if (source === "node_modules") await symlink(join(process.cwd(), source), target);
      else await cp(source, target, { recursive: true });
    }
  }
  // The image has no packages for development: what is imported must be among the others.
  const known = ["dependencies", "peerDependencies"].flatMap((key) => Object.keys(manifest[key]!));
  for (const top of ["src", "actors"]) {
    for (const name of readdirSync(top, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".ts"))) {
      for (const [, specifier] of readFileSync(join(top, name), "utf8").matchAll(
        /^(?:import|export) .*from "([^".][^"]*)"/gm,
      )) {
        if (specifier!.startsWith("node:") || specifier === "entente") continue;
        t.true(
          known.some((k) => specifier === k || specifier!.startsWith(`${k}/`)),
          `${name}: ${specifier}`,
        );
      }
    }
  }
  const [node, main] = list(all, "ENTRYPOINT");
  const home = all.filter((i) => i.word === "WORKDIR")[1]!.rest;
  t.is(node, "node");
  const { execFileSync } = await import("node:child_process");
  const entente = (...args: string[]): string =>
    execFileSync(process.execPath, [join(image, posix.relative(home, main!)), ...args], {
      cwd: image,
      encoding: "utf8",
    });
  t.is(entente("--version").trim(), String(manifest.version));
  t.regex(entente(...list(all, "CMD")), /Usage: entente/);
  entente("init", "director", "work");
  t.true(existsSync(join(image, "work/nats.conf")));
  for (const page of ["Dockerfile", "docs/containers.md"]) {
    const named = [...readFileSync(page, "utf8").matchAll(/entente:([\d.]+)/g)].map(([, version]) => version);
    t.deepEqual([...new Set(named)], [String(manifest.version)], page);
  }
});

test("C42 the image of a role's folder has all of it but what is the site's own, and its command is the role", async (t) => {
  const [server, dir] = [await testServer(t), await temporaryDir(t)];
  const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
  for (const role of ["director", "envoy"]) {
    const made = join(dir, role);
    t.is((await run(t, ["init", role, made, "--nats", server.url])).exit, 0);
    const all = instructions(await readFile(join(made, "Dockerfile"), "utf8"));
    t.deepEqual(
      all.map((i) => i.word),
      ["FROM", "COPY", "CMD"],
    );
    t.is(all[0]!.rest, `entente:${version}`);
    const left = (await readFile(join(made, ".dockerignore"), "utf8")).trim().split("\n");
    for (const name of ["data", "cert", "*.key"]) t.true(left.includes(name));
    const started = new Cli(t, [...list(all, "CMD"), "--json"], made);
    t.like(await started.line("process", (p) => p.state === "ready"), { role });
  }
});
