/**
 * What a workspace needs beside its own files: packages that cannot be bundled, installed at each site that allows it.
 *
 * Owns how they are named and which names will do; src/workspace/install.ts installs them.
 * DP1 They are the `dependencies` of the `package.json` in the archive; what the runtime itself brings is none of them.
 * DP2 A package is named by a version range, for the site's own npm to find, or as `file:` in the archive. An address is
 *     refused: where packages come from is the site's to say.
 * DP3 A bundle asks for those that the workspace's own package.json, the nearest above its source, lists under
 *     `entente.install`, at the versions it gives; they stay outside the bundle.
 */
import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { type Code, FlError } from "../errors.ts";
import { PROVIDED } from "../parts/bundle.ts";
import { parseStrict } from "../validate.ts";
import { pathProblem } from "./archive.ts";

export const PACKAGE = "package.json";
const MOST = 100;

/** Package → version range, or `file:` and a path in the archive. */
export type Dependencies = Readonly<Record<string, string>>;

/** What a package may be called: nothing that could be a path of another place, or an option. */
const packageName = z
  .string()
  .max(214)
  .regex(/^(@[a-z0-9][a-z0-9._~-]*\/)?[a-z0-9][a-z0-9._~-]*$/, "must be the name of a package");
/** a range of versions, or a tag */
const RANGE = /^[A-Za-z0-9.*^~<>=|+ -]{0,128}$/;
const isSpec = (spec: string): boolean => {
  const path = fileOf(spec);
  return path === undefined ? RANGE.test(spec) : pathProblem(path) === undefined;
};
const dependencies = z
  .record(packageName, z.string().refine(isSpec, "must be a version range, or file: and a path in the archive")) // DP2
  .refine((all) => Object.keys(all).length <= MOST, `must be at most ${MOST} packages`);

const archived = z.object({ dependencies: dependencies.default({}) });
const written = z.object({
  dependencies: z.record(z.string(), z.string()).default({}),
  entente: z.strictObject({ install: z.array(packageName).default([]) }).prefault({}),
});

/** The path in the archive that a `file:` stands for; undefined for a version range. */
export const fileOf = (spec: string): string | undefined =>
  spec.startsWith("file:") ? spec.slice("file:".length).replace(/^(\.\/)+/, "") : undefined;

/** What the archive of these files asks for (DP1). @throws FL_ARCHIVE_INVALID */
export function dependenciesOf(files: ReadonlyMap<string, Uint8Array>): Dependencies {
  const bytes = files.get(PACKAGE);
  if (bytes === undefined) return {};
  const asked = read(archived, Buffer.from(bytes).toString("utf8"), PACKAGE, "FL_ARCHIVE_INVALID").dependencies;
  return Object.fromEntries(Object.entries(asked).filter(([name]) => !PROVIDED.test(name)));
}

/** The same of an opened archive. @throws FL_ARCHIVE_INVALID */
export async function dependenciesIn(dir: string): Promise<Dependencies> {
  const bytes = await readFile(join(dir, PACKAGE)).catch(() => undefined);
  return dependenciesOf(new Map(bytes === undefined ? [] : [[PACKAGE, bytes]]));
}

export type Wanted = {
  readonly dependencies: Dependencies;
  /** where those are installed here, if they are: for whoever tries the workspace out */
  readonly installed: Readonly<Record<string, string>>;
};

/** What the workspace of this source asks for (DP3). @throws FL_WORKSPACE_INVALID */
export async function dependenciesFor(entryPath: string): Promise<Wanted> {
  const file = await nearestPackage(dirname(resolve(entryPath)));
  if (file === undefined) return { dependencies: {}, installed: {} };
  const text = await readFile(file, "utf8");
  const { dependencies: all, entente } = read(written, text, file, "FL_WORKSPACE_INVALID");
  const invalid = (reason: string) => new FlError("FL_WORKSPACE_INVALID", { file, reason: `${file}: ${reason}` });
  const asked: Record<string, string> = {};
  for (const name of entente.install) {
    const spec = Object.hasOwn(all, name) ? all[name]! : undefined;
    if (spec === undefined) throw invalid(`entente.install names ${name}, which is none of its dependencies`);
    if (!RANGE.test(spec)) throw invalid(`${name} is ${spec}; what sites install needs a version range`); // DP2
    asked[name] = spec;
  }
  return { dependencies: asked, installed: await installedAt(dirname(file), asked) };
}

/** Where code in `dir` would find these packages, of those that it would. */
export async function installedAt(dir: string, dependencies: Dependencies): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of Object.keys(dependencies)) {
    const folder = await installedFrom(dir, name);
    if (folder !== undefined) found[name] = folder;
  }
  return found;
}

async function nearestPackage(dir: string): Promise<string | undefined> {
  const file = join(dir, PACKAGE);
  if ((await stat(file).catch(() => undefined))?.isFile()) return file;
  return dirname(dir) === dir ? undefined : nearestPackage(dirname(dir));
}

async function installedFrom(dir: string, name: string): Promise<string | undefined> {
  const folder = join(dir, "node_modules", name);
  if ((await stat(folder).catch(() => undefined))?.isDirectory()) return folder;
  return dirname(dir) === dir ? undefined : installedFrom(dirname(dir), name);
}

function read<S extends z.ZodType>(schema: S, text: string, what: string, code: Code): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (e) {
    throw new FlError(code, { file: what, reason: `${what} is not JSON` }, { cause: e });
  }
  return parseStrict(schema, value, { code, what });
}
