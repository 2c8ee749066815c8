/**
 * The workspace archive: a gzipped tar that holds a data scientist's code and nothing that could escape its folder.
 *
 * Owns the form, its limits and both directions in memory; src/workspace/open.ts puts one on disk.
 * AR1 Nothing is unpacked before the SHA-256 of the archive equals the digest it was announced with.
 * AR2 Only files and folders: no links, no devices, nothing unknown.
 * AR3 A path is `/`-separated segments of [A-Za-z0-9_@+.-], none of them `.` or `..` or ending in a dot; no two paths are
 *     equal when case is ignored, and no file is another's folder.
 * AR4 At most 16 MiB packed, 64 MiB unpacked, 1,000 entries; unpacking stops at the limit, whatever a header claims.
 * AR5 `entente`, `@tensorflow/*` and the runtime's own mark are not an archive's to bring.
 * AR6 The same files give the same bytes: fixed order, owner, mode and time.
 * AR7 Any failure is FL_ARCHIVE_INVALID with the offending entry, or FL_DIGEST_MISMATCH.
 */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gunzip as gunzipCallback, gzipSync } from "node:zlib";
import { Header, Parser, type ReadEntry } from "tar";
import { z } from "zod";
import { FlError } from "../errors.ts";
import { parseStrict } from "../validate.ts";

export const LIMITS = { packedBytes: 16 << 20, unpackedBytes: 64 << 20, entries: 1000, pathLength: 255 } as const;

export const ENTRY = "workspace.mjs";
export const MANIFEST = "manifest.json";
/** Written beside the files once they are all there; its text is the digest. */
export const MARK = ".entente-archive";

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export const safePath = z.string().refine((p) => pathProblem(p) === undefined, "must be a plain relative path");

/** a program and its arguments */
export const commandSchema = z.tuple([z.string().min(1).max(255)], z.string().max(1024));

export const manifestSchema = z.strictObject({
  v: z.literal(1),
  entry: safePath.default(ENTRY),
  engine: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/)
    .default("tfjs"),
  /** further engines, each with its entry: a site takes one */
  also: z.record(z.string().regex(/^[a-z0-9-]{1,32}$/), safePath).optional(),
  /** of the engine `worker`: what is run, in the archive's folder */
  command: commandSchema.optional(),
  created_by: z.string().max(128).optional(),
  /** module paths of the plan (`./median.ts`) and the files they became */
  parts: z.record(z.string(), safePath).default({}),
});
export type Manifest = z.output<typeof manifestSchema>;

export type ArchivedFile = { path: string; bytes: number; digest: string };
export type Contents = { manifest: Manifest; files: ReadonlyMap<string, Uint8Array> };

export const listed = (files: ReadonlyMap<string, Uint8Array>): ArchivedFile[] =>
  [...files].map(([path, data]) => ({ path, bytes: data.byteLength, digest: sha256(data) }));

const invalid = (reason: string, detail: Record<string, unknown> = {}, cause?: unknown) =>
  new FlError("FL_ARCHIVE_INVALID", { reason, ...detail }, { cause });

/** What is wrong with `path` as a name inside an archive; undefined when nothing is. AR3 */
export function pathProblem(path: string): string | undefined {
  if (path.length > LIMITS.pathLength) return `its path is longer than ${LIMITS.pathLength} characters`;
  if (path.startsWith("/")) return "its path is absolute";
  const segments = path.split("/");
  if (segments.includes("..")) return "its path leaves the archive";
  if (!segments.every((s) => /^[A-Za-z0-9_@+.-]*[A-Za-z0-9_@+-]$/.test(s)))
    return "its path has characters other than letters, digits and _ @ + . - /";
  if (/^node_modules\/(entente|@tensorflow)(\/|$)/i.test(path)) return "the runtime brings this package itself"; // AR5
  if (path.toLowerCase() === MARK) return "this name is the runtime's own"; // AR5
  return undefined;
}

/** The archive of these files. AR6 */
export function packArchive(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (const [path, data] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const header = new Header({
      path,
      mode: 0o644,
      size: data.byteLength,
      type: "File",
      mtime: new Date("2000-01-01T00:00:00Z"),
    });
    if (pathProblem(path) !== undefined || header.encode())
      throw invalid(`${path}: the name is too long or not allowed`, { entry: path });
    blocks.push(header.block!, data, new Uint8Array(-data.byteLength & 511));
  }
  blocks.push(new Uint8Array(1024));
  const archive = gzipSync(Buffer.concat(blocks), { level: 9 });
  archive[9] = 255; // the header's operating system: unknown, on every one of them
  if (archive.byteLength > LIMITS.packedBytes) throw invalid(`larger than ${LIMITS.packedBytes} bytes`);
  return archive;
}

/** Its files, whatever they are. @throws FL_DIGEST_MISMATCH, FL_ARCHIVE_INVALID */
export async function readFiles(archive: Uint8Array, digest: string): Promise<ReadonlyMap<string, Uint8Array>> {
  if (archive.byteLength > LIMITS.packedBytes) throw invalid(`larger than ${LIMITS.packedBytes} bytes`); // AR4
  const got = sha256(archive);
  if (got !== digest) throw new FlError("FL_DIGEST_MISMATCH", { expected: digest, got }); // AR1
  return entriesOf(await unzip(archive));
}

/** @throws FL_DIGEST_MISMATCH, FL_ARCHIVE_INVALID */
export async function readArchive(archive: Uint8Array, digest: string): Promise<Contents> {
  const files = await readFiles(archive, digest);
  const manifest = manifestOf(files.get(MANIFEST));
  for (const path of [manifest.entry, ...Object.values(manifest.also ?? {}), ...Object.values(manifest.parts)]) {
    if (!files.has(path)) throw invalid(`there is no ${path} in it`, { entry: path });
  }
  return { manifest, files };
}

const gunzip = promisify(gunzipCallback);

async function unzip(archive: Uint8Array): Promise<Uint8Array> {
  // Beside the contents a tar holds, per entry, a header, padding, and at most three blocks of long name.
  const maxOutputLength = LIMITS.unpackedBytes + LIMITS.entries * 5 * 512 + 10_240;
  try {
    return await gunzip(archive, { maxOutputLength });
  } catch (e) {
    const bomb = e instanceof Error && "code" in e && e.code === "ERR_BUFFER_TOO_LARGE";
    throw invalid(bomb ? `unpacks to more than ${LIMITS.unpackedBytes} bytes` : "it is not gzip", {}, e); // AR4
  }
}

export function manifestOf(bytes: Uint8Array | undefined): Manifest {
  const what = MANIFEST;
  if (bytes === undefined) return manifestSchema.parse({ v: 1 });
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (e) {
    throw invalid(`${what} is not JSON`, { entry: what }, e);
  }
  return parseStrict(manifestSchema, value, { code: "FL_ARCHIVE_INVALID", what });
}

/** The files of a tar, in its order. */
function entriesOf(tar: Uint8Array): Promise<Map<string, Uint8Array>> {
  // The parser would unzip a second time, and without AR4's limit.
  if ((tar[0] === 0x1f && tar[1] === 0x8b) || (tar[0] === 0x28 && tar[1] === 0xb5))
    throw invalid("it is compressed twice");
  return new Promise((resolve, reject) => {
    const files = new Map<string, Uint8Array>();
    const taken = new Map<string, "file" | "folder">();
    let entries = 0;
    let bytes = 0;
    let failed: FlError | undefined;
    const parser = new Parser({ strict: true });
    const refuse = (error: FlError): void => {
      if (failed !== undefined) return;
      failed = error;
      reject(error);
      parser.abort(error);
    };
    const faultOf = ({ type }: ReadEntry, path: string): string | undefined => {
      if (entries > LIMITS.entries) return `is entry ${entries}, and ${LIMITS.entries} are allowed`; // AR4
      if (bytes > LIMITS.unpackedBytes) return `goes beyond ${LIMITS.unpackedBytes} unpacked bytes`; // AR4
      if (type === "Directory")
        return path === "" || path === "." ? undefined : (pathProblem(path) ?? claim(taken, path, true));
      if (type !== "File" && type !== "OldFile") return `is a ${type}, and only files and folders are allowed`; // AR2
      return pathProblem(path) ?? claim(taken, path, false);
    };
    const admit = (entry: ReadEntry): string | undefined => {
      const named = entry.path.replace(/^(\.\/)+/, "");
      const folder = entry.type === "Directory";
      const path = folder ? named.replace(/\/$/, "") : named;
      const shown = entry.path.slice(0, 300);
      entries += 1;
      bytes += entry.size;
      const fault = faultOf(entry, path);
      if (fault !== undefined) refuse(invalid(`${JSON.stringify(shown)}: ${fault}`, { entry: shown }));
      return failed === undefined && !folder ? path : undefined;
    };
    const broken = (e: unknown) =>
      refuse(invalid(`it is not a tar: ${e instanceof Error ? e.message : String(e)}`, {}, e));
    parser.on("error", broken);
    parser.on("ignoredEntry", (entry: ReadEntry) => {
      if (failed === undefined)
        refuse(invalid(`${JSON.stringify(entry.path)}: is a ${entry.type}`, { entry: entry.path })); // AR2
    });
    parser.on("entry", (entry: ReadEntry) => {
      const path = failed === undefined ? admit(entry) : undefined;
      if (path === undefined) {
        entry.resume();
        return;
      }
      const chunks: Uint8Array[] = [];
      entry.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      entry.on("end", () => files.set(path, Buffer.concat(chunks)));
    });
    parser.on("end", () => (failed === undefined ? resolve(files) : reject(failed)));
    try {
      parser.end(Buffer.from(tar.buffer, tar.byteOffset, tar.byteLength));
    } catch (e) {
      broken(e);
    }
  });
}

/** Takes `path` and its folders; says what is already there under one of these names. AR3 */
function claim(taken: Map<string, "file" | "folder">, path: string, folder: boolean): string | undefined {
  const key = path.toLowerCase();
  for (let i = key.indexOf("/"); i > 0; i = key.indexOf("/", i + 1)) {
    if (taken.get(key.slice(0, i)) === "file") return "its folder is a file";
    taken.set(key.slice(0, i), "folder");
  }
  const there = taken.get(key);
  if (there !== undefined && !(folder && there === "folder")) return "the name appears twice";
  taken.set(key, folder ? "folder" : "file");
  return undefined;
}
