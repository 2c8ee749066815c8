/**
 * Sections and the files of defaults they name, put together as OpenFL does it.
 *
 * DF1 A section's own keys replace those of its defaults; within `settings` each key does, so that one can be changed alone.
 * DF2 Nothing below that is merged: a task that the plan writes replaces the task of the same name altogether.
 * DF3 The key `defaults` stays where it is: it was written, so it is told what became of it.
 */
import { entriesOf, type Sourced } from "./source.ts";

export type Named = { readonly section: string; readonly path: string; readonly at: Sourced };

/** The files of defaults that a plan names, in its order. */
export function defaultsOf(plan: Sourced): Named[] {
  return [...entriesOf(plan)].flatMap(([section, body]) => {
    const at = entriesOf(body).get("defaults");
    return typeof at?.value === "string" ? [{ section, path: at.value, at }] : [];
  });
}

/** The plan with every section laid over its defaults; `files` has them by the path that the plan gives. */
export function withDefaults(plan: Sourced, files: ReadonlyMap<string, Sourced>): Sourced {
  const sections = new Map(entriesOf(plan));
  for (const { section, path } of defaultsOf(plan)) {
    const below = files.get(path);
    const body = sections.get(section);
    if (below === undefined || body === undefined) continue;
    const settings = over(entriesOf(body).get("settings"), entriesOf(below).get("settings"));
    const merged = over(body, below)!;
    const value = new Map(entriesOf(merged));
    if (settings !== undefined) value.set("settings", settings); // DF1
    sections.set(section, { ...merged, value });
  }
  return { ...plan, value: sections };
}

/** `upper` with what only `below` has. DF2 */
function over(upper: Sourced | undefined, below: Sourced | undefined): Sourced | undefined {
  if (upper === undefined || below === undefined) return upper ?? below;
  const more = [...entriesOf(below)].filter(([key]) => !entriesOf(upper).has(key));
  return { ...upper, value: new Map([...entriesOf(upper), ...more]) };
}
