/** What an experiment's code has at a site: rows D31–D34 and D38, in real processes. */
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import test from "ava";
import { upload } from "../../src/transfer/upload.ts";
import { decode } from "../../src/wire/codec.ts";
import { type Metric, metric } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { packArchive } from "../../src/workspace/archive.ts";
import { type TestFederation, testFederation } from "../support/federation.ts";
import { temporaryDir } from "../support/server.ts";

const shard = { shard: { use: "mnist", params: { part: 0, parts: 60, trainLimit: 10, validationLimit: 10 } } };
const plan = { version: 1, rounds: 1, tasks: ["train"] };
const ended = ({ state }: { state: string }) => ["finished", "failed", "rejected", "cancelled"].includes(state);
const workspace = (train: string, imports = "") => `${imports}
  export default { model: ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [784], units: 10 })] }),
    tasks: { async train(context) { ${train} } } };`;

/** Hands an archive in that was made by hand. */
async function submit(
  fed: TestFederation,
  name: string,
  files: Record<string, string>,
  more: Record<string, unknown> = {},
) {
  const archive = packArchive(new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)])));
  const uploaded = await upload(fed.wire, "tester", archive);
  const submission = { v: 1 as const, name, plan: { ...plan, ...more }, archive: uploaded };
  await fed.wire.append(subjects.submit, await fed.wire.journal("submissions"), { owner: "tester" }, submission, name);
  return uploaded;
}

/** What an experiment has measured at a site. */
async function measured(fed: TestFederation, exp: string, origin: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  const journal = await fed.wire.journal("metrics");
  for (let seq = 1; ; seq++) {
    const stored = await journal.read(seq);
    if (stored === undefined) return found;
    const value: Metric = decode(metric, stored.data, stored.contentType, stored.subject);
    if (value.experiment === exp && value.origin === origin) found[value.metric] = value.value;
  }
}

test.serial(
  "D32 D33 D34 each experiment has its own code, packages and private folder, and leaves nothing behind",
  async (t) => {
    const temporary = await temporaryDir(t);
    const before = process.env.TMPDIR;
    process.env.TMPDIR = temporary; // the roles', as they are children of this process
    t.teardown(() => {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    });
    const folders = (): string[] => readdirSync(temporary).filter((name) => name.startsWith("entente-workspace-"));
    const fed = await testFederation(t);
    await fed.start("director", "director", { limit: 2, share: true, dependencies: "install" });
    await Promise.all([
      fed.start("envoy", "north", { ...shard, dependencies: "install" }),
      fed.start("envoy", "south", shard),
    ]);

    // Two at the same time on the same envoys, each with a module of the same name: each waits in its task for the other.
    const seen = join(temporary, "seen");
    const helper = (value: number): string => `
    import { stat, writeFile, access } from "node:fs/promises";
    import { dirname } from "node:path";
    export async function meet(context) {
      const folder = dirname(import.meta.dirname);
      await writeFile(${JSON.stringify(seen)} + ${value} + context.collaborator, folder);
      for (;;) {
        try { await access(${JSON.stringify(seen)} + ${3 - value} + context.collaborator); break; } catch {}
        await context.pause();
      }
      return { samples: 1, own: ${value}, mode: (await stat(folder)).mode & 0o777 };
    }`;
    const files = (value: number) => ({
      "workspace.mjs": workspace("return meet(context);", `import { meet } from "./helper.mjs";`),
      "helper.mjs": helper(value),
    });
    await submit(fed, "one", files(1));
    await submit(fed, "two", files(2));
    for (const [i, name] of ["one", "two"].entries()) {
      const record = await fed.experiment(name, ended);
      t.is(record.state, "finished", JSON.stringify(record.failure));
      for (const site of ["north", "south"]) {
        t.like(await measured(fed, name, site), { own: i + 1, mode: 0o700 }, `${name} at ${site} (D34, D32)`);
      }
    }
    const told = await Promise.all([1, 2].map((n) => readFile(`${seen}${n}north`, "utf8")));
    t.is(new Set(told).size, 2);
    t.true(told.every((folder) => dirname(folder) === temporary && basename(folder).startsWith("entente-workspace-")));

    // One that is killed in its work: its folder is gone when it runs again.
    const once = join(temporary, "once");
    await submit(
      fed,
      "killed",
      {
        "workspace.mjs": workspace(
          `if (!existsSync(${JSON.stringify(once)})) {
           writeFileSync(${JSON.stringify(once)}, dirname(import.meta.dirname));
           process.kill(process.pid, "SIGKILL");
           await new Promise(() => {});
         }
         return { samples: 1, left: Number(existsSync(readFileSync(${JSON.stringify(once)}, "utf8"))) };`,
          `import { existsSync, readFileSync, writeFileSync } from "node:fs"; import { dirname } from "node:path";`,
        ),
      },
      { collaborators: ["south"] },
    );
    const killed = await fed.experiment("killed", ended);
    t.is(killed.state, "finished", JSON.stringify(killed.failure));
    t.like(await measured(fed, "killed", "south"), { left: 0 });

    // Packages of its own: installed where the site says so, refused where it does not, failed with the installer's words.
    const needs = (path: string) => ({
      "workspace.mjs": workspace("return { samples: 1, own };", `import own from "own";`),
      "package.json": JSON.stringify({ dependencies: { own: `file:${path}` } }),
      "vendor/own/package.json": JSON.stringify({ name: "own", version: "1.0.0", main: "index.js" }),
      "vendor/own/index.js": "module.exports = 41;",
    });
    await submit(fed, "needs", needs("vendor/own"), { collaborators: ["north"] });
    await submit(fed, "broken", needs("vendor/none"), { collaborators: ["north"] });
    await submit(fed, "refused", needs("vendor/own"), { collaborators: ["south"] });
    const installed = await fed.experiment("needs", ended);
    t.is(installed.state, "finished", JSON.stringify(installed.failure));
    t.like(await measured(fed, "needs", "north"), { own: 41 });
    const assigner = `import own from "own";
      export default { name: "odd", create: () => ({ name: "odd", assign: async ({ collaborators }) =>
        Object.fromEntries(collaborators.map(({ name }) => [name, own === 41 ? ["train"] : []])) }) };`;
    const withPart = { ...needs("vendor/own"), "assigner.mjs": assigner };
    await submit(fed, "parts", withPart, { collaborators: ["north"], assigner: { use: "./assigner.mjs" } });
    const parts = await fed.experiment("parts", ended);
    t.is(parts.state, "finished", JSON.stringify(parts.failure));
    const broken = await fed.experiment("broken", ended);
    t.like(broken, { state: "failed", failure: { name: "north", error: { code: "FL_INSTALL_FAILED" } } });
    t.regex(JSON.stringify(broken.failure!.error.detail.tail), /npm error/);
    const refused = await fed.experiment("refused", ended);
    t.like(refused, { state: "failed", failure: { name: "south", error: { code: "FL_DEPENDENCIES_REFUSED" } } });
    t.regex(refused.failure!.error.message, /own/);

    await Promise.all([fed.stop("envoy", "north"), fed.stop("envoy", "south")]);
    t.deepEqual(folders(), [], "nothing is left (D32)");
  },
);

test.serial(
  "D38 D31 A10 names that try to get out are refused and make nothing, and an archive that was changed does not run; the next one does",
  async (t) => {
    const fed = await testFederation(t);
    await Promise.all([fed.start("director", "director"), fed.start("envoy", "north", shard)]);
    const good = { "workspace.mjs": workspace("return { samples: 1 };") };
    const archive = await submit(fed, "first", good);
    t.is((await fed.experiment("first", ended)).state, "finished");

    const journal = await fed.wire.journal("submissions");
    const subject = fed.wire.subject(subjects.submit, { owner: "mallory" });
    const names = ["../victim", "/tmp/victim", "..", "a/b", "a.b", "a b", "", "victim\u0000"];
    for (const name of names) {
      await journal.append(subject, Buffer.from(JSON.stringify({ v: 1, name, plan, archive })), { id: randomUUID() });
    }
    const outside = { ...plan, collaborators: ["../north"] };
    const named = { v: 1, name: "named", plan: outside, archive };
    await journal.append(subject, Buffer.from(JSON.stringify(named)), { id: randomUUID() });
    const lost = { v: 1, name: "lost", plan, archive: { digest: "f".repeat(64), bytes: 10 } };
    await journal.append(subject, Buffer.from(JSON.stringify(lost)), { id: randomUUID() });

    const changed = await submit(fed, "changed", { "workspace.mjs": workspace("return { samples: 2 };") });
    const chunk = fed.wire.subject(subjects.uploadChunk, { owner: "tester", digest: changed.digest, index: 0 });
    await (await fed.wire.journal("uploads")).append(
      chunk,
      Buffer.alloc(changed.bytes, "not what it was announced as"),
    );
    await submit(fed, "last", { ...good, "extra.mjs": "export default 1;" });
    t.is((await fed.experiment("last", ended)).state, "finished");
    t.is((await fed.experiment("named", ended)).failure?.error.code, "FL_PLAN_INVALID");
    t.is((await fed.experiment("lost", ended)).failure?.error.code, "FL_NOT_FOUND");
    const damaged = await fed.experiment("changed", ended);
    t.is(damaged.failure?.error.code, "FL_DIGEST_MISMATCH", "nothing of it was unpacked (D31)");
    t.deepEqual(await recorded(fed, "tester"), ["changed", "first", "last"]);
    t.deepEqual(await recorded(fed, "mallory"), ["lost", "named"]);
    t.false(existsSync("/tmp/victim") || existsSync("../victim") || existsSync("victim"));
  },
);

/** The experiments that an owner has. */
async function recorded(fed: TestFederation, owner: string): Promise<string[]> {
  const answer = await fed.wire.request(subjects.list, { caller: owner }, {}, { timeoutMs: 5_000 });
  return answer.experiments.map((e) => e.name).sort();
}
