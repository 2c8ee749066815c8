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

/** A plan, what of it was written, and where. */
export type WrittenPlan = {
  readonly plan: Plan;
  /** the file's content as plain values */
  readonly written: unknown;
  /** `line:column` of the value at a path, or of the nearest value around it */
  readonly where: (path: readonly PropertyKey[]) => string | undefined;
};

/** @throws FL_PLAN_INVALID for what is no plan or cannot be read */
export const loadPlan = async (file: string): Promise<Plan> => (await loadWritten(file)).plan;

/** The same, with what `explain` needs. @throws FL_PLAN_INVALID */
export async function loadWritten(file: string): Promise<WrittenPlan> {
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > MAX_BYTES) throw new FlError("FL_PLAN_INVALID", { file, reason: `${file}: larger than 1 MiB` }); // PY3
    text = await readFile(file, "utf8");
  } catch (e) {
    if (e instanceof FlError) throw e;
    throw new FlError("FL_PLAN_INVALID", { file, reason: `${file}: cannot be read` }, { cause: e });
  }
  return readWritten(text, file);
}

/** @throws FL_PLAN_INVALID; `file` is only named in what it says */
export const readPlan = (text: string, file = "plan"): Plan => readWritten(text, file).plan;

/** @throws FL_PLAN_INVALID */
export function readWritten(text: string, file = "plan"): WrittenPlan {
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
  return { plan: parsePlan(value, file, where), written: value, where };
}
