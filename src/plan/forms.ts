/**
 * The small forms that the plan's keys are made of: names, metrics, shares, and parts with their options.
 *
 * FO1 `short(key, schema)`: a bare word is short for the map that has it under `key`.
 * FO2 A part that runs in the Aggregator's process is a built-in name or a module's path. The options of a built-in one are
 *     checked here, with everything else that can be known before anything runs; those of a module are its own affair.
 */
import { z } from "zod";
import { nearest } from "../nearest.ts";
import { parsePlacement } from "../parts/placement.ts";
import { problemsOf } from "../validate.ts";
import { NAME, TOKEN } from "../wire/template.ts";

export const token = z.string().regex(TOKEN, "must be a name of at most 64 letters, digits, - and _");

export const metric = z
  .string()
  .regex(
    new RegExp(`^${NAME}\\.[A-Za-z0-9_.-]{1,64}$`),
    "must be <task label>.<metric>, such as validate_global.accuracy",
  );

/** 12.5 of 12.5%; undefined for what is no share above nothing */
export function percent(value: unknown): number | undefined {
  const found = typeof value === "string" ? /^(\d{1,3}(?:\.\d+)?) ?%$/.exec(value.trim()) : null;
  const n = Number(found?.[1] ?? Number.NaN);
  return n > 0 && n <= 100 ? n : undefined;
}

export const share = z.custom<`${number}%`>((v) => percent(v) !== undefined, "must be a percentage such as 40%");

export const free = z.record(z.string(), z.json());

/** FO1 */
export const short = <S extends z.ZodType>(key: string, schema: S) =>
  z.preprocess((v: unknown) => (typeof v === "string" ? { [key]: v } : v), schema);

export const isPlacement = (text: string): boolean => {
  try {
    parsePlacement(text);
    return true;
  } catch {
    return false;
  }
};

/** A part of the Aggregator's process, by the name of a built-in one or the path of a module (FO2). */
export function localPart(builtin: Readonly<Record<string, z.ZodType>>, fallback: string, noun: string) {
  const names = Object.keys(builtin);
  const part = z.strictObject({
    use: z
      .string()
      .refine((text) => isPlacement(text) && !text.startsWith("nats:"), "must be a built-in name or a ./path")
      .default(fallback)
      .describe(`${names.map((n) => `\`${n}\``).join(", ")}, or a module (\`./mine.ts\`).`),
    options: free.default({}).describe(`Handed to the ${noun} as they are; see below for those of the built-in ones.`),
  });
  return short(
    "use",
    part.transform((written, ctx) => {
      if (parsePlacement(written.use).kind === "module") return written;
      const schema = Object.hasOwn(builtin, written.use) ? builtin[written.use] : undefined;
      if (schema === undefined) {
        const near = nearest(written.use, names);
        const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
        const message = `must be one of ${names.join(", ")}, or a ./path, got "${written.use}"${hint}`;
        ctx.addIssue({ code: "custom", path: ["use"], message, params: { whole: true } });
        return z.NEVER;
      }
      const problems = problemsOf(schema, written.options);
      for (const { path, says } of problems) {
        ctx.addIssue({ code: "custom", path: ["options", ...path], message: says, params: { whole: true } });
      }
      if (problems.length > 0) return z.NEVER;
      return { ...written, options: schema.parse(written.options) as Record<string, z.core.util.JSONType> };
    }),
  );
}
