/**
 * Files of a PKI: keys for their owner's eyes only, and nothing overwritten unasked.
 *
 * F1 A file is there whole or not at all; a key's mode is 0600 from its first byte on.
 */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { FlError } from "../errors.ts";

/** in a member's folder */
export const CA = "ca.pem";
export const CERT = "cert.pem";
export const KEY = "key.pem";

export type Put = { readonly secret?: boolean; readonly over?: boolean };

/** @throws FL_EXISTS when it is there and `over` is not set */
export async function putFile(path: string, text: string, { secret = false, over = false }: Put = {}): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const part = `${path}.${randomBytes(4).toString("hex")}.part`;
  try {
    const file = await open(part, "wx", secret ? 0o600 : 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (over) await rename(part, path);
    else await link(part, path); // F1: fails if it is there
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== "EEXIST") throw e;
    throw new FlError(
      "FL_EXISTS",
      { reason: `${path} is there already`, path, hint: "--force overwrites it" },
      { cause: e },
    );
  } finally {
    await rm(part, { force: true });
  }
}

/** The text of a file; undefined if there is none. @throws FL_PKI when it cannot be read */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (e) {
    const { code, message } = e as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new FlError("FL_PKI", { reason: message, path }, { cause: e });
  }
}
