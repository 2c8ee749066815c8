/** `npm run parity`: runs the tests that hold the rows of docs/parity.md and prints how many hold. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { idsOf, PAGE, readRows, testsOf } from "./rows.ts";

const rows = readRows(readFileSync(PAGE, "utf8"));
const files = new Set([...testsOf().values()].flat().map((path) => `dist/${path.replace(/\.ts$/, ".js")}`));
const ava = spawn("npx", ["ava", "--tap", ...files], { stdio: ["ignore", "pipe", "inherit"] });

const passed = new Map<string, boolean>();
for await (const line of createInterface({ input: ava.stdout })) {
  const [, not, name] = /^(not )?ok \d+ - (.*)$/.exec(line) ?? [];
  const title = name?.split(" › ").at(-1) ?? "";
  for (const id of idsOf(title)) passed.set(id, (passed.get(id) ?? true) && not === undefined);
  if (not !== undefined) console.error(`failed: ${name}`);
}

let failures = 0;
for (const [letter, what] of [
  ["D", "OpenFL, director workflow"],
  ["C", "OpenFL, core"],
  ["F", "FELES"],
  ["A", "acceptance"],
] as const) {
  const of = rows.filter((r) => r.id.startsWith(letter));
  const holding = of.filter((r) => r.state === "holds" && passed.get(r.id) === true);
  const failing = of.filter((r) => r.state === "holds" && passed.get(r.id) !== true);
  const count = (state: string): number => of.filter((r) => r.state === state).length;
  console.log(
    `${letter}  ${what.padEnd(26)} ${holding.length} of ${of.length} hold, ${count("otherwise")} otherwise, ${count("open")} open`,
  );
  for (const { id } of failing) console.log(`   ${id} fails`);
  failures += failing.length;
}
process.exitCode = failures === 0 ? 0 : 1;
