/**
 * YAML as people write it, with the place of every mistake. What it must say is its reader's to know.
 *
 * YA1 Every complaint starts with file:line:column.
 * YA2 A duplicate key, a second document or an unknown tag is an error, never a choice between readings.
 * YA3 A small file cannot grow: 1 MiB of text and 100 expanded aliases at most.
 */
import { readFile, stat } from "node:fs/promises";
import { isNode, LineCounter, parseDocument } from "yaml";
import { type Code, FlError } from "./errors.ts";

const MAX_BYTES = 1 << 20;

export type Written = {
  readonly value: unknown;
  /** where what is at this path begins: "4:7" */
  readonly where: (path: readonly PropertyKey[]) => string | undefined;
};

/** @throws FlError with `code` for what is no YAML or cannot be read */
export async function readYaml(file: string, code: Code): Promise<Written> {
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > MAX_BYTES) throw new FlError(code, { file, reason: `${file}: larger than 1 MiB` }); // YA3
    text = await readFile(file, "utf8");
  } catch (e) {
    if (e instanceof FlError) throw e;
    throw new FlError(code, { file, reason: `${file}: cannot be read` }, { cause: e });
  }
  return parseYaml(text, file, code);
}

/** @throws FlError with `code`; `file` is only named in what it says */
export function parseYaml(text: string, file: string, code: Code): Written {
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const invalid = (reason: string, cause?: unknown) => new FlError(code, { file, reason }, { cause });
  if (text.length > MAX_BYTES) throw invalid(`${file}: larger than 1 MiB`); // YA3
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const wrong = [...doc.errors, ...doc.warnings]; // YA2
  if (wrong.length > 0) throw invalid(wrong.map((e) => `${at(e.pos[0])} ${e.message}`).join("; "), wrong[0]); // YA1
  let value: unknown;
  try {
    value = doc.toJS({ maxAliasCount: 100 });
  } catch (e) {
    throw invalid(`${file}: ${e instanceof Error ? e.message : String(e)}`, e); // YA3
  }
  const where = (path: readonly PropertyKey[]): string | undefined => {
    for (let n = path.length; n > 0; n--) {
      const node = doc.getIn(path.slice(0, n), true);
      if (isNode(node) && node.range) return at(node.range[0]).slice(file.length + 1);
    }
    return undefined;
  };
  return { value, where };
}
