/**
 * A workspace archive, verified and opened in a private folder that is gone afterwards (src/scratch.ts).
 *
 * O1 Packages that the engine of this site asks for are installed there too where the site allows it; where it does not, the
 *    experiment cannot run (src/workspace/dependencies.ts, src/workspace/requirements.ts).
 */
import { join } from "node:path";
import { z } from "zod";
import { defaultPython } from "../src/engine/python.ts";
import { FlError } from "../src/errors.ts";
import { scratchFolder } from "../src/scratch.ts";
import { dependenciesIn } from "../src/workspace/dependencies.ts";
import { chooseEngine, type EngineName } from "../src/workspace/engines.ts";
import { installDependencies } from "../src/workspace/install.ts";
import { openArchive } from "../src/workspace/open.ts";
import { requirementsIn } from "../src/workspace/requirements.ts";
import { installRequirements } from "../src/workspace/virtual-environment.ts";

export const dependencyPolicy = z
  .enum(["refuse", "install"])
  .default("refuse")
  .describe("packages that an experiment needs beside its bundle: refuse it, or install them for it");

/** At the Director, where only parts of the plan's own run: most have no use for what the workspace needs. */
export const partPolicy = z
  .enum(["ignore", "install"])
  .default("ignore")
  .describe(
    "packages of an experiment whose plan has parts of its own that run here: leave them out, or install them for these",
  );

export type Opening = {
  /** `ignore`: it does without */
  readonly dependencies: z.output<typeof dependencyPolicy> | z.output<typeof partPolicy>;
  readonly signal: AbortSignal;
  /** what trains at this site, if it says so */
  readonly engine?: EngineName | undefined;
  /** the site's interpreter of Python */
  readonly python?: string | undefined;
};
export type Opened = {
  readonly dir: string;
  /** the interpreter with what was installed, or else the site's */
  readonly python: string;
  close(): Promise<void>;
};

/** @throws FL_DIGEST_MISMATCH, FL_ARCHIVE_INVALID, FL_ENGINE_UNAVAILABLE, FL_DEPENDENCIES_REFUSED, FL_INSTALL_FAILED */
export async function openSubmitted(
  archive: Uint8Array,
  digest: string,
  { dependencies: policy, signal, engine: own, python = defaultPython() }: Opening,
): Promise<Opened> {
  const scratch = await scratchFolder("workspace");
  try {
    const { dir, manifest } = await openArchive(archive, digest, join(scratch.dir, "workspace"));
    const opened = { dir, python, close: () => scratch.close() };
    if (policy === "ignore") return opened;
    const { engine } = chooseEngine(manifest, own);
    const dependencies = engine === "tfjs" ? await dependenciesIn(dir) : {};
    const requirements = engine === "python" ? await requirementsIn(dir) : [];
    const names = [...Object.keys(dependencies), ...requirements.map(({ text }) => text)];
    if (names.length === 0) return opened;
    if (policy === "refuse") {
      const asked = engine === "tfjs" ? { dependencies } : { requirements: names };
      throw new FlError("FL_DEPENDENCIES_REFUSED", { reason: names.join(", "), ...asked });
    }
    const into = { dir, scratch: scratch.dir, signal };
    if (engine === "python") return { ...opened, python: await installRequirements({ ...into, requirements, python }) };
    await installDependencies({ ...into, dependencies }); // O1
    return opened;
  } catch (e) {
    await scratch.close();
    throw e;
  }
}
