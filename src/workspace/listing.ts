/**
 * What a reviewer sees of an archive: each file with its size, its digest and, where it is text, its source.
 *
 * LI1 What is listed is what `readArchive` checked: every path is a plain relative one, every byte is under the archive's digest.
 * LI2 A file is text if it is valid UTF-8 without control characters other than line ends and tabs, so that showing it on a
 *     terminal cannot make it say something else. Any other is listed by its digest only.
 */
import { listed } from "./archive.ts";

export type ListedFile = {
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 */
  readonly digest: string;
  /** null if it is no text (LI2) */
  readonly text: string | null;
};

export const listing = (files: ReadonlyMap<string, Uint8Array>): ListedFile[] =>
  listed(files)
    .map((file) => ({ ...file, text: textOf(files.get(file.path)!) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));

/** LI2; so do marks that hide text or turn its direction round, and a carriage return that ends no line */
const CONTROL = /(?![\u200D\n\t\u200C\uFEFF]|\r\n)[\p{Cc}\p{Cf}\p{Co}\u2028\u2029]/u;

function textOf(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return CONTROL.test(text) ? null : text;
  } catch {
    return null;
  }
}
