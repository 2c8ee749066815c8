/**
 * A workspace archive, verified and opened in a private folder that is gone afterwards (src/scratch.ts).
 *
 * O1 Packages that it asks for are installed there too where the site allows it; where it does not, the experiment cannot run
 *    (src/workspace/dependencies.ts).
 */
import { join } from "node:path";
import { z } from "zod";
import { FlError } from "../src/errors.ts";
import { scratchFolder } from "../src/scratch.ts";
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

/** @throws FL_DIGEST_MISMATCH, FL_ARCHIVE_INVALID, FL_DEPENDENCIES_REFUSED, FL_INSTALL_FAILED */
export async function openSubmitted(
  archive: Uint8Array,
  digest: string,
  { dependencies: policy, signal }: Opening,
): Promise<Opened> {
  const scratch = await scratchFolder("workspace");
  try {
    const { dir } = await openArchive(archive, digest, join(scratch.dir, "workspace"));
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
