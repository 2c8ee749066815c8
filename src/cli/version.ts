/** This release, as its package.json says. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageFolder } from "../parts/bundle.ts";

export function version(): string {
  const { version } = JSON.parse(readFileSync(join(root(), "package.json"), "utf8")) as { version: string };
  return version;
}

/** Where this package lies: plans and examples are in it. */
export function root(): string {
  const folder = packageFolder("entente");
  if (folder === undefined) throw new Error("this installation does not find its own package.json");
  return folder;
}
