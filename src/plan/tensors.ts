/**
 * What a plan says of single tensors, which it names by patterns (src/tensor/pattern.ts).
 *
 * TE1 What patterns come to is known only where there is a model: a collaborator, a rehearsal, the Aggregator.
 */
import { z } from "zod";

export const patterns = z
  .array(z.string().min(1).max(256))
  .min(1)
  .refine((names) => new Set(names).size === names.length, "must not name a pattern twice");

export const holdout = z.strictObject({
  names: patterns.describe(
    "Patterns with `*`, such as `bn*`: of a tensor's name (`3.gamma`), or of its layer's and its own (`bn1/gamma`).",
  ),
});
