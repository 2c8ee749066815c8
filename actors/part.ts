/**
 * A part's module, as the plan names it: from the workspace it came with, or from this machine.
 *
 * PA1 A module's path is looked up in the workspace's archive first. Only an absolute path is looked for on this machine.
 */
import { isAbsolute } from "node:path";
import { asFlError, FlError } from "../src/errors.ts";
import { loadModule } from "../src/parts/module.ts";
import { importPart } from "../src/workspace/open.ts";

/** The module's default export, unchecked. @throws FL_PART_UNKNOWN, FL_PART_FAILED */
export async function partModule(path: string, archiveDir: string | undefined): Promise<unknown> {
  if (archiveDir !== undefined) {
    try {
      return await importPart(archiveDir, path);
    } catch (e) {
      const elsewhere = asFlError(e).code === "FL_PART_UNKNOWN" && isAbsolute(path);
      if (!elsewhere) throw e;
    }
  }
  if (isAbsolute(path)) return loadModule(path); // PA1
  throw new FlError("FL_PART_UNKNOWN", { part: path, reason: `${path} needs the workspace it came with` });
}

/** The same, held to the form that a `define…` helper gives. @throws FL_PART_FAILED */
export async function definedPart<P extends { readonly name: string; create(options?: never): unknown }>(
  path: string,
  archiveDir: string | undefined,
  helper: string,
): Promise<P> {
  const part = (await partModule(path, archiveDir)) as Partial<P> | null | undefined;
  if (typeof part === "object" && typeof part?.name === "string" && typeof part.create === "function") return part as P;
  const reason = `${path} does not fit: its default export must be ${helper}({ … })`;
  throw new FlError("FL_PART_FAILED", { part: path, reason });
}
