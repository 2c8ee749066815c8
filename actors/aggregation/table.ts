/** The table of built-in rules in docs/plan.md, made from the rules, so that the page cannot disagree with the code. */
import { keysOf } from "../../src/plan/table.ts";
import { aggregations } from "./builtin.ts";

/** Markdown, as it stands between the markers of docs/plan.md. */
export function aggregationTable(): string {
  const rows = Object.values(aggregations).map(({ name, summary, options }) => {
    const keys = options === undefined ? [] : keysOf(options);
    const told = keys.map(({ key, default: by, description }) => `\`${key}\` (${by}): ${description}`);
    return `| \`${name}\` | ${told.join("<br>")} | ${summary ?? ""} |`;
  });
  return ["| `aggregation.use` | `options` (default) | the next model is |", "|---|---|---|", ...rows].join("\n");
}
