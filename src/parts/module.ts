/**
 * A user's module, loaded from a path: TypeScript runs on every supported Node, without a loader.
 *
 * Owns the way from a path to a default export; src/parts/bundle.ts owns what goes into the bundle.
 * M1 `entente` and `@tensorflow/*` are this installation's own copies, in lazy imports too.
 * M2 Nothing is left behind: the bundle's private folder is gone when the promise settles.
 * M3 Every failure is one FlError with the given code, the module's path in its detail, and its cause.
 */
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Code, FlError } from "../errors.ts";
import { scratchFolder } from "../scratch.ts";
import { bundleModule } from "./bundle.ts";

export type LoadOptions = {
  /** the folder a relative path starts from; the current one when left out */
  from?: string;
  code?: Code;
};

/** The module's default export. Each call evaluates the module anew. @throws FL_PART_FAILED, or the `code` given */
export async function loadModule(
  path: string,
  { from = ".", code = "FL_PART_FAILED" }: LoadOptions = {},
): Promise<unknown> {
  const file = resolve(from, path);
  const text = await bundleModule(file, { runtime: "bound", code });
  const folder = await scratchFolder("module");
  try {
    const bundle = join(folder.dir, "module.mjs");
    await writeFile(bundle, text, { mode: 0o600 });
    return await defaultExport(bundle, file, code);
  } finally {
    await folder.close(); // M2
  }
}

/** Imports `file` as it is. `named` is what an error calls it. */
export async function defaultExport(file: string, named: string, code: Code): Promise<unknown> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (e) {
    const reason = `${named}: ${e instanceof Error ? e.message : String(e)}`;
    throw new FlError(code, { file: named, reason }, { cause: e }); // M3
  }
  if (!("default" in module)) throw new FlError(code, { file: named, reason: `${named} has no default export` });
  return module.default;
}
