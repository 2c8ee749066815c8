/** This release, and where it lies: plans and examples are in it. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** the package's folder: this file is dist/src/cli/version.js in it */
export const root = (): string => fileURLToPath(new URL("../../../", import.meta.url));

export function version(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}
