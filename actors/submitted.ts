/**
 * A submission's workspace archive, fetched, verified and opened in a private folder that is gone afterwards (src/scratch.ts).
 *
 * O1 Packages that it asks for are installed there too where the site allows it; where it does not, the experiment cannot run
 *    (src/workspace/dependencies.ts).
 */
import { join } from "node:path";
import { z } from "zod";
import { FlError } from "../src/errors.ts";
import { scratchFolder } from "../src/scratch.ts";
import type { Submission } from "../src/wire/messages.ts";
import { shelves } from "../src/wire/table.ts";
import type { Wire } from "../src/wire/wire.ts";
import { dependenciesIn } from "../src/workspace/dependencies.ts";
import { installDependencies } from "../src/workspace/install.ts";
import { openArchive } from "../src/workspace/open.ts";

export const dependencyPolicy = z
  .enum(["refuse", "install"])
  .default("refuse")
  .describe("packages that an experiment needs beside its bundle: refuse it, or install them for it");

export type Opening = {
  /** `ignore`: nothing is run that could need them */
  readonly dependencies: z.output<typeof dependencyPolicy> | "ignore";
  readonly signal: AbortSignal;
};
export type Opened = { readonly dir: string; close(): Promise<void> };

/** The archive's bytes, as they are stored. @throws FL_NOT_FOUND */
export async function fetchArchive(wire: Wire, { object }: Submission["archive"]): Promise<Uint8Array> {
  const bytes = await (await wire.shelf(shelves.archives)).get(object);
  if (bytes === undefined) throw new FlError("FL_NOT_FOUND", { reason: `no archive ${object} is stored` });
  return bytes;
}

/** @throws FL_NOT_FOUND, FL_DIGEST_MISMATCH, FL_ARCHIVE_INVALID, FL_DEPENDENCIES_REFUSED, FL_INSTALL_FAILED */
export async function openSubmitted(
  wire: Wire,
  { archive }: Pick<Submission, "archive">,
  { dependencies: policy, signal }: Opening,
): Promise<Opened> {
  const bytes = await fetchArchive(wire, archive);
  const scratch = await scratchFolder("workspace");
  try {
    const { dir } = await openArchive(bytes, archive.digest, join(scratch.dir, "workspace"));
    const dependencies = policy === "ignore" ? {} : await dependenciesIn(dir);
    const names = Object.keys(dependencies);
    if (names.length > 0) {
      if (policy === "refuse") {
        throw new FlError("FL_DEPENDENCIES_REFUSED", { reason: names.join(", "), dependencies });
      }
      await installDependencies({ dir, scratch: scratch.dir, dependencies, signal }); // O1
    }
    return { dir, close: () => scratch.close() };
  } catch (e) {
    await scratch.close();
    throw e;
  }
}
