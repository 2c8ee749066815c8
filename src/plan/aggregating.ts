/**
 * How updates become the next model, as a plan says it: one rule for all tensors, or others for some of them.
 *
 * AG1 An actor on the bus combines one thing for an experiment: no two rules of a plan are the same `nats:` name.
 */
import { z } from "zod";
import { free, isPlacement, short } from "./forms.ts";
import { patterns } from "./tensors.ts";

const use = z.string().refine(isPlacement, "must be a built-in name, a ./path or nats:<name>");

const rule = z.strictObject({
  names: patterns.describe(
    "Patterns with `*` for the tensors' names, such as `*.bias`; the first entry that matches counts.",
  ),
  use: use.describe("As above."),
  options: free.default({}).describe("Handed to it as they are."),
});

export const aggregation = short(
  "use",
  z
    .strictObject({
      use: use
        .default("fedavg")
        .describe("A built-in name, a module (`./median.ts`), or `nats:<name>` for an actor on the bus."),
      options: free.default({}).describe("Handed to the aggregation as they are."),
      tensors: z.array(rule).min(1).optional().describe("Another rule for some tensors; `use` has the rest."),
    })
    .superRefine((written, ctx) => {
      const seen = new Set<string>();
      for (const [i, { use: name }] of rulesOf(written).entries()) {
        if (name.startsWith("nats:") && seen.has(name)) {
          const message = `must not be ${name} once more: an actor combines one thing for an experiment`; // AG1
          ctx.addIssue({ code: "custom", path: ["tensors", i - 1, "use"], message, params: { whole: true } });
        }
        seen.add(name);
      }
    }),
);
export type PlanAggregation = z.output<typeof aggregation>;

/** All its rules, that of the rest first. */
export const rulesOf = ({ tensors = [], ...rest }: Pick<PlanAggregation, "use" | "options" | "tensors">) => [
  rest,
  ...tensors,
];
