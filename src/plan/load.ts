/**
 * Plans from YAML, with the place of every mistake.
 *
 * Owns the YAML; src/plan/plan.ts owns what a plan is.
 * PY1 Every complaint starts with file:line:column.
 * PY2 A duplicate key, a second document or an unknown tag is an error, never a choice between readings.
 * PY3 A small file cannot grow: 1 MiB of text and 100 expanded aliases at most.
 */
import { readFile, stat } from "node:fs/promises";
import { isNode, LineCounter, parseDocument } from "yaml";
import { FlError } from "../errors.ts";
import { type Plan, parsePlan } from "./plan.ts";

const MAX_BYTES = 1 << 20;

/** @throws FL_PLAN_INVALID for what is no plan or cannot be read */
export async function loadPlan(file: string): Promise<Plan> {
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > MAX_BYTES) throw new FlError("FL_PLAN_INVALID", { file, reason: `${file}: larger than 1 MiB` }); // PY3
    text = await readFile(file, "utf8");
  } catch (e) {
    if (e instanceof FlError) throw e;
    throw new FlError("FL_PLAN_INVALID", { file, reason: `${file}: cannot be read` }, { cause: e });
  }
  return readPlan(text, file);
}

/** @throws FL_PLAN_INVALID; `file` is only named in what it says */
export function readPlan(text: string, file = "plan"): Plan {
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const invalid = (reason: string, cause?: unknown) => new FlError("FL_PLAN_INVALID", { file, reason }, { cause });
  if (text.length > MAX_BYTES) throw invalid(`${file}: larger than 1 MiB`); // PY3
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const wrong = [...doc.errors, ...doc.warnings]; // PY2
  if (wrong.length > 0) throw invalid(wrong.map((e) => `${at(e.pos[0])} ${e.message}`).join("; "), wrong[0]); // PY1
  let value: unknown;
  try {
    value = doc.toJS({ maxAliasCount: 100 });
  } catch (e) {
    throw invalid(`${file}: ${e instanceof Error ? e.message : String(e)}`, e); // PY3
  }
  const where = (path: readonly PropertyKey[]): string | undefined => {
    for (let n = path.length; n > 0; n--) {
      const node = doc.getIn(path.slice(0, n), true);
      if (isNode(node) && node.range) return at(node.range[0]).slice(file.length + 1);
    }
    return undefined;
  };
  return parsePlan(value, file, where);
}
