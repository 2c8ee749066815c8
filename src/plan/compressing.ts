/**
 * How tensors are compressed on their way, as a plan says it: a chain of codecs for updates, one for models. The codecs are in
 * src/codec, each with its options.
 *
 * CM1 A chain is `none`, or at most one codec that chooses elements and after it at most one that packs them.
 * CM2 What is compressed is always a difference: updates from the model of their round, models from the one before.
 */
import { z } from "zod";
import { type Chosen, codecs } from "../codec/registry.ts";
import { nearest } from "../nearest.ts";
import { problemsOf } from "../validate.ts";
import { short } from "./forms.ts";

const names = ["none", ...Object.keys(codecs)];
const schemaOf = (use: string): z.ZodType | undefined =>
  use === "none"
    ? z.strictObject({})
    : Object.hasOwn(codecs, use)
      ? codecs[use as keyof typeof codecs].options
      : undefined;

const codec = short(
  "use",
  z
    .looseObject({ use: z.string().describe(`${names.map((n) => `\`${n}\``).join(", ")}.`) })
    .transform((written, ctx) => {
      const { use, ...options } = written;
      const refuse = (path: PropertyKey[], message: string) =>
        ctx.addIssue({ code: "custom", path, message, params: { whole: true } });
      const schema = schemaOf(use);
      if (schema === undefined) {
        const near = nearest(use, names);
        refuse(
          ["use"],
          `must be one of ${names.join(", ")}, got "${use}"${near === undefined ? "" : ` (did you mean ${near}?)`}`,
        );
        return z.NEVER;
      }
      const problems = problemsOf(schema, options);
      for (const { path, says } of problems) refuse([...path], says);
      if (problems.length > 0) return z.NEVER;
      return { use, ...(schema.parse(options) as Record<string, z.core.util.JSONType>) };
    }),
);

const isAlone = (v: unknown): boolean => v !== undefined && !Array.isArray(v);

const chain = z.preprocess(
  (v) => (isAlone(v) ? [v] : v),
  z
    .array(codec)
    .min(1)
    .superRefine((chosen, ctx) => {
      for (const [i, { use }] of chosen.entries()) {
        const why = chosen
          .slice(0, i)
          .map((before) => misfit(before.use, use))
          .find((w) => w !== undefined);
        if (why !== undefined)
          ctx.addIssue({ code: "custom", path: [i, "use"], message: why, params: { whole: true } });
      }
    }),
);

const kindOf = (use: string) => codecs[use as keyof typeof codecs]?.kind;

/** Why one cannot come after the other (CM1). */
function misfit(before: string, use: string): string | undefined {
  if (use === "none" || before === "none") return "must be none alone: it says that nothing is compressed";
  if (before === "stc") return `must not be ${use} after stc: stc has chosen and packed already`;
  if (use === "stc") return `must not be stc after ${before}: stc chooses by itself`;
  if (kindOf(before) === "packs")
    return `must not be ${use} after ${before}: what is packed are bytes, no numbers any more`;
  if (kindOf(use) === "chooses") return `must not be ${use} after ${before}: one codec chooses`;
  return undefined;
}

export const compression = z.strictObject({
  up: chain
    .prefault("none")
    .describe(
      "Updates: a codec, or a list of one that chooses elements and one that packs them. A bare name is short for `{ use: name }`.",
    ),
  down: chain.prefault("none").describe("Models, all but the first: the same."),
  exactBelow: z
    .int()
    .min(0)
    .default(100)
    .describe("Tensors of fewer elements than this travel as they are, to the bit."),
});
export type PlanCompression = z.output<typeof compression>;

type Known = { readonly aggregation: { readonly use: string }; readonly compression: PlanCompression };

/** Which rule cannot bear what is dropped, as a predicate of `compression.up`. */
export function compressionProblem({ aggregation: { use }, compression: { up } }: Known): string | undefined {
  const dropping = up.find((c: Chosen) => (c.use === "topk" || c.use === "stc") && c.feedback === false);
  if (use !== "feddyn" || dropping === undefined) return undefined;
  return `must not be ${dropping.use} without feedback for feddyn: both sides add up all updates, and what is dropped for good is in one sum only`;
}

export const compresses = (chosen: PlanCompression["up"]): boolean => chosen[0]!.use !== "none";
