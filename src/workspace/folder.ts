/**
 * An experiment's folder as one file, to hand on: plans, workspace, whatever they import. The form is an archive's (archive.ts),
 * with its limits; the sources are in it as they are, not bundled.
 *
 * WF1 Left out are names that begin with a dot, `node_modules`, the folders `data`, `logs` and `cert`, and keys and
 *     certificates: what is the site's own must not leave by an oversight. Each is told.
 * WF2 What is neither a file nor a folder is refused, not followed: a link may lead anywhere.
 */
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { FlError } from "../errors.ts";
import { writeFolder } from "../scaffold/write.ts";
import { LIMITS, packArchive, pathProblem, readFiles, sha256 } from "./archive.ts";

export type PackedFolder = {
  readonly archive: Uint8Array;
  /** SHA-256 of the archive */
  readonly digest: string;
  /** paths in it, in order */
  readonly files: readonly string[];
  /** paths of the folder that are not in it (WF1) */
  readonly leftOut: readonly string[];
};

const OWN = /^(\..*|node_modules|.*\.(key|pem|crt|cer|csr|p12|pfx|creds|nk))$/i;
const OWN_FOLDERS = /^(data|logs|cert)$/;

/** `except`: a path that is not to be in it, such as the archive's own. @throws FL_NOT_FOUND, FL_ARCHIVE_INVALID */
export async function packFolder(dir: string, except?: string): Promise<PackedFolder> {
  const files = new Map<string, Uint8Array>();
  const leftOut: string[] = [];
  let bytes = 0;
  const refuse = (path: string, why: string): never => {
    throw new FlError("FL_ARCHIVE_INVALID", { reason: `${path}: ${why}`, entry: path });
  };
  const walk = async (below: string): Promise<void> => {
    const entries = await readdir(join(dir, below), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      const own = OWN.test(entry.name) || (entry.isDirectory() && below === "" && OWN_FOLDERS.test(entry.name));
      if (own || (except !== undefined && resolve(dir, path) === resolve(except))) {
        leftOut.push(path);
        continue;
      }
      if (entry.isDirectory()) {
        await walk(path);
        continue;
      }
      if (!entry.isFile()) refuse(path, "is neither a file nor a folder"); // WF2
      const problem = pathProblem(path);
      if (problem !== undefined) refuse(path, problem);
      const data = await readFile(join(dir, path));
      bytes += data.length;
      if (bytes > LIMITS.unpackedBytes) refuse(path, `goes beyond ${LIMITS.unpackedBytes} unpacked bytes`);
      files.set(path, data);
      if (files.size > LIMITS.entries) refuse(path, `is file ${files.size}, and ${LIMITS.entries} are allowed`);
    }
  };
  await walk("").catch((e: unknown) => {
    const code = e instanceof Error && "code" in e ? e.code : undefined;
    if (code !== "ENOENT" && code !== "ENOTDIR") throw e;
    throw new FlError("FL_NOT_FOUND", { reason: `there is no folder ${dir}` }, { cause: e });
  });
  if (files.size === 0) throw new FlError("FL_ARCHIVE_INVALID", { reason: `there is nothing to pack in ${dir}` });
  const archive = packArchive(files);
  return { archive, digest: sha256(archive), files: [...files.keys()].sort(), leftOut };
}

/**
 * Its files below `dir`, which is new, or there and empty; all of them, or none. `digest`: what it must be.
 * @throws FL_DIGEST_MISMATCH, FL_ARCHIVE_INVALID, FL_EXISTS
 */
export async function unpackFolder(
  archive: Uint8Array,
  dir: string,
  digest: string = sha256(archive),
): Promise<{ readonly digest: string; readonly files: readonly string[] }> {
  const files = await readFiles(archive, digest);
  await writeFolder(dir, files);
  return { digest, files: [...files.keys()].sort() };
}
