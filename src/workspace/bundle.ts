/**
 * From a data scientist's source to the archive that a federation reviews and runs.
 *
 * Owns what goes in; src/workspace/archive.ts owns the form.
 * BW1 The code is bundled but not minified: what is reviewed is what runs.
 * BW2 The same source, with the same release of the runtime, gives the same digest, wherever it lies.
 * BW3 Packages that sites are to install (src/workspace/dependencies.ts) stay outside, and the archive's package.json names them.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FlError } from "../errors.ts";
import { bundleModule, packageFolder } from "../parts/bundle.ts";
import { type ArchivedFile, ENTRY, listed, MANIFEST, type Manifest, packArchive, sha256 } from "./archive.ts";
import { dependenciesFor, PACKAGE } from "./dependencies.ts";

export type WorkspaceBundle = {
  archive: Uint8Array;
  digest: string;
  files: ArchivedFile[];
  /** BW3: package → where it is installed here, if it is */
  installed: Readonly<Record<string, string>>;
};

export type BundleWorkspaceOptions = {
  /** module paths as the plan writes them (`./median.ts`) → their files; they travel with the workspace */
  parts?: Readonly<Record<string, string>>;
};

/** @throws FL_WORKSPACE_INVALID, FL_PART_FAILED for a part, FL_ARCHIVE_INVALID when the result is too large */
export async function bundleWorkspace(
  entryPath: string,
  options: BundleWorkspaceOptions = {},
): Promise<WorkspaceBundle> {
  const files = new Map<string, Uint8Array>();
  const { dependencies, installed } = await dependenciesFor(entryPath);
  const outside = { runtime: "bare", external: Object.keys(dependencies) } as const;
  files.set(ENTRY, text(await bundleModule(entryPath, { ...outside, code: "FL_WORKSPACE_INVALID" })));
  const parts: Record<string, string> = {};
  for (const [i, [written, file]] of Object.entries(options.parts ?? {})
    .sort()
    .entries()) {
    const path = `parts/${i}.mjs`;
    parts[written] = path;
    files.set(path, text(await bundleModule(file, { ...outside, code: "FL_PART_FAILED" })));
  }
  const manifest: Manifest = { v: 1, entry: ENTRY, engine: "tfjs", created_by: `entente ${await version()}`, parts };
  files.set(MANIFEST, json(manifest));
  if (outside.external.length > 0) files.set(PACKAGE, json({ private: true, dependencies })); // BW3
  const archive = packArchive(files);
  return { archive, digest: sha256(archive), files: listed(files), installed };
}

const text = (s: string): Uint8Array => Buffer.from(s, "utf8");
const json = (value: unknown): Uint8Array => text(`${JSON.stringify(value, null, 2)}\n`);

async function version(): Promise<string> {
  const folder = packageFolder("entente");
  if (folder === undefined)
    throw new FlError("FL_INTERNAL", { reason: "this installation does not find its own package.json" });
  return (JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { version: string }).version;
}
