/** Who reviews experiments for a Director or an envoy, as its configuration says it: `review: prompt` is short for `{ use: prompt }`. */
import { z } from "zod";
import { duration } from "../../src/plan/duration.ts";

export const reviewConfig = z
  .preprocess(
    (v: unknown) => (typeof v === "string" ? { use: v } : v),
    z
      .strictObject({
        use: z
          .string()
          .default("auto")
          .describe("auto, prompt, or the path of a module that says defineReviewer({ … })"),
        options: z.record(z.string(), z.unknown()).default({}).describe("handed to the reviewer as they are"),
        limit: duration
          .nullable()
          .optional()
          .describe("how long a decision may take before it counts as a rejection; null: as long as it takes"),
        /** folder that a relative module path starts from */
        from: z.string().optional(),
      })
      .prefault({}),
  )
  .describe(
    "who decides whether an experiment may run here: auto, prompt, or the path of a module; or its use, options and limit",
  );
export type ReviewConfig = z.output<typeof reviewConfig>;

/** A policy answers at once or hangs; a person takes the time it takes. */
const POLICY_MS = 60_000;

export const limitOf = ({ use, limit }: ReviewConfig): number | null =>
  limit !== undefined ? limit : use === "prompt" ? null : POLICY_MS;
