/** docs/sdk.md has a heading for every method and property of the two classes, and of no other. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { Experiment } from "../../src/client/experiment.ts";
import { Federation } from "../../src/client/federation.ts";

const page = readFileSync(fileURLToPath(new URL("../../../docs/sdk.md", import.meta.url)), "utf8");

/** `a` of `### \`a(x): y\`, \`b\`` and so on */
function headings(title: string): string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? "";
  return [...section.matchAll(/^### (.*)$/gm)].flatMap(([, line]) =>
    [...line!.matchAll(/`(?:Federation\.)?(\w+)[^`]*`/g)].map(([, name]) => name!),
  );
}

for (const [type, own] of [
  [Federation, ["connect", "local"]],
  [Experiment, ["name", "submitted"]],
] as const) {
  test(`docs/sdk.md documents ${type.name}, all of it and nothing else`, (t) => {
    const members = Object.getOwnPropertyNames(type.prototype).filter((name) => name !== "constructor");
    t.deepEqual(headings(type.name).sort(), [...members, ...own].sort());
  });
}
