/**
 * Where every value of a plan comes from: the file, at a line, or this release, which fills in what the file leaves out.
 *
 * EX1 Every value that counts is there once, in the order of the plan's keys; a list or map that is empty counts as a value.
 * EX2 A value is the file's if something was written at its path, though it may say it shorter (`train` for `{ task: train }`).
 */
import type { WrittenPlan } from "./load.ts";

export type Origin = {
  /** such as `tasks[1].label` */
  readonly path: string;
  readonly value: unknown;
  readonly from: "file" | "default";
  /** of the value in the file */
  readonly line: number | null;
};

export function explain({ plan, written, where }: WrittenPlan): Origin[] {
  return leaves(plan, []).map(({ path, value }) => {
    const from = isWritten(written, path) ? "file" : "default";
    const at = from === "file" ? where(path) : undefined;
    return { path: pathText(path), value, from, line: at === undefined ? null : Number(at.split(":")[0]) };
  });
}

type Leaf = { readonly path: readonly PropertyKey[]; readonly value: unknown };

function leaves(value: unknown, path: readonly PropertyKey[]): Leaf[] {
  if (typeof value !== "object" || value === null) return value === undefined ? [] : [{ path, value }];
  const below: [PropertyKey, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  if (below.length === 0) return [{ path, value }]; // EX1
  return below.flatMap(([key, v]) => leaves(v, [...path, key]));
}

/** Whether something stands at the path, or a short form that ends above it (EX2). */
function isWritten(written: unknown, path: readonly PropertyKey[]): boolean {
  let at = written;
  for (const [depth, key] of path.entries()) {
    // `aggregation: median` says `use`, and of a task its name: the first key of the long form
    if (typeof at === "string") {
      const left = path.slice(depth).filter((k) => k !== 0); // one codec is short for a list of one
      return left.length === 1 && (left[0] === "use" || left[0] === "task");
    }
    if (typeof at !== "object" || at === null) return false;
    if (key === 0 && !Array.isArray(at)) continue;
    at = (at as Record<PropertyKey, unknown>)[key];
    if (at === undefined) return false;
  }
  return true;
}

const pathText = (path: readonly PropertyKey[]): string =>
  path.map((key, i) => (typeof key === "number" ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`)).join("");
