/**
 * From a data scientist's source to the archive that a federation reviews and runs.
 *
 * Owns what goes in; src/workspace/archive.ts owns the form.
 * BW1 The code is bundled but not minified: what is reviewed is what runs.
 * BW2 The same source, with the same release of the runtime, gives the same digest, wherever it lies.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FlError } from "../errors.ts";
import { bundleModule, packageFolder } from "../parts/bundle.ts";
import { type ArchivedFile, ENTRY, listed, MANIFEST, type Manifest, packArchive, sha256 } from "./archive.ts";

export type WorkspaceBundle = { archive: Uint8Array; digest: string; files: ArchivedFile[] };

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
  files.set(ENTRY, text(await bundleModule(entryPath, { runtime: "bare", code: "FL_WORKSPACE_INVALID" })));
  const parts: Record<string, string> = {};
  for (const [i, [written, file]] of Object.entries(options.parts ?? {})
    .sort()
    .entries()) {
    const path = `parts/${i}.mjs`;
    parts[written] = path;
    files.set(path, text(await bundleModule(file, { runtime: "bare", code: "FL_PART_FAILED" })));
  }
  const manifest: Manifest = { v: 1, entry: ENTRY, engine: "tfjs", created_by: `entente ${await version()}`, parts };
  files.set(MANIFEST, text(`${JSON.stringify(manifest, null, 2)}\n`));
  const archive = packArchive(files);
  return { archive, digest: sha256(archive), files: listed(files) };
}

const text = (s: string): Uint8Array => Buffer.from(s, "utf8");

async function version(): Promise<string> {
  const folder = packageFolder("entente");
  if (folder === undefined)
    throw new FlError("FL_INTERNAL", { reason: "this installation does not find its own package.json" });
  return (JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { version: string }).version;
}
