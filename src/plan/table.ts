/**
 * The key table of docs/plan.md, made from the schema, so that the page cannot disagree with the code.
 *
 * PT1 One row for each key at every depth, in the schema's order; a key without a description is an error.
 */
import { z } from "zod";
import { objectsOf } from "../validate.ts";
import { planSchema } from "./plan.ts";

export type PlanKey = { key: string; default: string; description: string };

export const planKeys = (): PlanKey[] => keysOf(planSchema);

/** Markdown, as it stands between the markers of docs/plan.md. */
export function planTable(): string {
  const rows = planKeys().map((k) => `| \`${k.key}\` | ${k.default} | ${k.description} |`);
  return ["| key | default | meaning |", "|---|---|---|", ...rows].join("\n");
}

export function keysOf(schema: z.core.$ZodType, prefix = ""): PlanKey[] {
  return objectsOf(schema).flatMap((s): PlanKey[] => {
    const { def } = s._zod;
    if (def.type === "array") return keysOf(def.element, `${prefix}[]`);
    if (def.type !== "object") return [];
    return Object.entries(def.shape).flatMap(([name, child]) => {
      const key = prefix === "" ? name : `${prefix}.${name}`;
      const meta = z.globalRegistry.get(child);
      if (meta?.description === undefined) throw new Error(`${key} has no description`); // PT1
      const shown = typeof meta.default === "string" ? meta.default : defaultOf(child);
      const words = objectsOf(child).flatMap((c) =>
        c._zod.def.type === "enum" ? Object.keys(c._zod.def.entries) : [],
      );
      const oneOf = words.length === 0 ? "" : ` One of ${words.map((w) => `\`${w}\``).join(", ")}.`;
      return [{ key, default: shown, description: meta.description + oneOf }, ...keysOf(child, key)];
    });
  });
}

function defaultOf(schema: z.core.$ZodType): string {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === "default" || def.type === "prefault") return `\`${flow(def.defaultValue)}\``;
  return def.type === "optional" ? "–" : "required";
}

/** YAML in flow style, for the plain values that defaults are. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  const entries = Object.entries(value).map(([k, v]) => `${k}: ${flow(v)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}
