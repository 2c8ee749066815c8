/** Temporary folders of processes that come and go: each owner here is a real process. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import test, { type ExecutionContext } from "ava";
import { ownMark } from "../src/process.ts";
import { scratchFolder } from "../src/scratch.ts";
import { temporaryDir } from "./support/server.ts";

const module = new URL("../src/scratch.js", import.meta.url).href;

/** A process that makes a scratch folder in `root`, says where, and waits to be told to exit or to be killed. */
async function owner(t: ExecutionContext, root: string): Promise<{ child: ChildProcess; name: string }> {
  const code = `const { scratchFolder } = await import(${JSON.stringify(module)});
    const { dir } = await scratchFolder("other", ${JSON.stringify(root)});
    (await import("node:fs")).writeFileSync(dir + "/file", "x");
    console.log(dir);
    process.stdin.once("data", () => process.exit(3));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["pipe", "pipe", "inherit"] });
  t.teardown(() => void child.kill("SIGKILL"));
  for await (const line of createInterface({ input: child.stdout! })) return { child, name: basename(line) };
  throw new Error("it ended without a word");
}

async function killed(t: ExecutionContext, root: string): Promise<string> {
  const { child, name } = await owner(t, root);
  child.kill("SIGKILL");
  await once(child, "exit");
  return name;
}

test("scratch: the folder of a killed process goes when the next one is made, one in use stays (SC2)", async (t) => {
  const root = await temporaryDir(t);
  const inUse = await owner(t, root);
  const left = await killed(t, root);
  t.deepEqual(readdirSync(root).sort(), [left, inUse.name].sort());
  const mine = await scratchFolder("mine", root);
  t.deepEqual(readdirSync(root).sort(), [basename(mine.dir), inUse.name].sort());
  const another = await scratchFolder("mine", root);
  t.true(readdirSync(root).includes(basename(mine.dir)), "its own is in use, too");
  await mine.close();
  await another.close();
  t.deepEqual(readdirSync(root), [inUse.name]);
});

test("scratch: the folder of an earlier process with this one's pid goes (SC2)", async (t) => {
  const root = await temporaryDir(t);
  const [place, pid] = ownMark()!.split("-");
  mkdirSync(join(root, `entente-mine-${place}-${pid}-1-abcdef`));
  await (await scratchFolder("mine", root)).close();
  t.deepEqual(readdirSync(root), []);
});

test("scratch: what cannot be judged stays: another machine's, no folder, another form (SC2)", async (t) => {
  const root = await temporaryDir(t);
  const left = await killed(t, root);
  const [, , place, pid, start] = left.split("-");
  const elsewhere = await temporaryDir(t);
  writeFileSync(join(elsewhere, "precious"), "");
  mkdirSync(join(root, `entente-other-${"0".repeat(12)}-${pid}-${start}-abcdef`));
  writeFileSync(join(root, `entente-other-${place}-${pid}-${start}-abcdef`), "");
  symlinkSync(elsewhere, join(root, `entente-other-${place}-${pid}-${start}-ghijkl`));
  for (const name of ["entente-workspace-abcdef", `entente-other-${place}-0-1-abcdef`, `x-${left}`]) {
    mkdirSync(join(root, name));
  }
  const before = readdirSync(root).filter((name) => name !== left);
  await (await scratchFolder("mine", root)).close();
  t.deepEqual(readdirSync(root), before);
  t.deepEqual(readdirSync(elsewhere), ["precious"]);
});

const asRoot = process.getuid?.() === 0 ? test : test.skip;
asRoot("scratch: another user's folder stays, whoever owned it (SC2)", async (t) => {
  const root = await temporaryDir(t);
  const left = await killed(t, root);
  chownSync(join(root, left), 12_345, 12_345);
  await (await scratchFolder("mine", root)).close();
  t.deepEqual(readdirSync(root), [left]);
});

test("scratch: a process that ends in a hurry takes its folder with it (SC3)", async (t) => {
  const root = await temporaryDir(t);
  const { child } = await owner(t, root);
  child.stdin!.write("go");
  t.deepEqual(await once(child, "exit"), [3, null]);
  t.deepEqual(readdirSync(root), []);
});
