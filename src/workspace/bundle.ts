/**
 * From a data scientist's source to the archive that a federation reviews and runs.
 *
 * Owns what goes in; src/workspace/archive.ts owns the form.
 * BW1 The code is bundled but not minified: what is reviewed is what runs.
 * BW2 The same source, with the same release of the runtime, gives the same digest, wherever it lies.
 *     What is not TypeScript or JavaScript travels as it is written.
 * BW3 Packages that sites are to install (src/workspace/dependencies.ts) stay outside, and the archive's package.json names them.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { FlError } from "../errors.ts";
import { bundleModule, packageFolder } from "../parts/bundle.ts";
import { type ArchivedFile, ENTRY, listed, MANIFEST, type manifestSchema, packArchive, sha256 } from "./archive.ts";
import { dependenciesFor, PACKAGE, type Wanted } from "./dependencies.ts";
import type { EngineName } from "./engines.ts";
import { PYTHON_ENTRY, pythonFiles } from "./python-source.ts";
import { workspaceSources } from "./sources.ts";
import { workerSource } from "./worker-source.ts";

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
  const { tfjs, python, worker } = await workspaceSources(entryPath);
  const files = new Map<string, Uint8Array>(python === undefined ? [] : await pythonFiles(python));
  const { dependencies, installed } = tfjs === undefined ? NOTHING : await dependenciesFor(tfjs);
  const outside = { runtime: "bare", external: Object.keys(dependencies) } as const;
  if (tfjs !== undefined) {
    files.set(ENTRY, text(await bundleModule(tfjs, { ...outside, code: "FL_WORKSPACE_INVALID" })));
  }
  const other = worker === undefined ? undefined : await workerSource(worker);
  for (const [path, bytes] of other?.files ?? []) files.set(path, bytes);
  const entries: [EngineName, string][] = [
    ...(tfjs === undefined ? [] : [["tfjs", ENTRY] as [EngineName, string]]),
    ...(python === undefined ? [] : [["python", PYTHON_ENTRY] as [EngineName, string]]),
    ...(other === undefined ? [] : [["worker", other.entry] as [EngineName, string]]),
  ];
  const [[engine, entry], ...rest] = entries as [[EngineName, string]];
  const parts: Record<string, string> = {};
  for (const [i, [written, file]] of Object.entries(options.parts ?? {})
    .sort()
    .entries()) {
    const path = `parts/${i}.mjs`;
    parts[written] = path;
    files.set(path, text(await bundleModule(file, { ...outside, code: "FL_PART_FAILED" })));
  }
  const manifest = {
    ...{ v: 1, entry, engine },
    ...(rest.length > 0 ? { also: Object.fromEntries(rest) } : {}),
    ...(other === undefined ? {} : { command: other.command }),
    ...{ created_by: `entente ${await version()}`, parts },
  } satisfies z.input<typeof manifestSchema>;
  files.set(MANIFEST, json(manifest));
  if (outside.external.length > 0) files.set(PACKAGE, json({ private: true, dependencies })); // BW3
  const archive = packArchive(files);
  return { archive, digest: sha256(archive), files: listed(files), installed };
}

const NOTHING: Wanted = { dependencies: {}, installed: {} };
const text = (s: string): Uint8Array => Buffer.from(s, "utf8");
const json = (value: unknown): Uint8Array => text(`${JSON.stringify(value, null, 2)}\n`);

async function version(): Promise<string> {
  const folder = packageFolder("entente");
  if (folder === undefined)
    throw new FlError("FL_INTERNAL", { reason: "this installation does not find its own package.json" });
  return (JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { version: string }).version;
}
