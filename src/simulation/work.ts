/**
 * How much each of a cohort does: its epochs, batch size and samples, by a policy. Pure.
 *
 * WO1 Everybody does at least one epoch of one sample; nobody more samples than it has.
 * WO2 A policy that compares devices compares those of the cohort, after it was selected.
 * WO3 Before a cohort is known, a selector expects of a device what the policy gives it alone.
 */
import { z } from "zod";
import { localPart } from "../plan/forms.ts";
import { parseStrict } from "../validate.ts";
import { chance } from "./chance.ts";
import type { Work } from "./cost.ts";
import type { Device } from "./fleet.ts";

const span = z
  .tuple([z.int().min(1), z.int().min(1)])
  .refine(([from, to]) => from <= to, "must have its smaller number first")
  .optional();

export const policies = {
  static: z.strictObject({}),
  best_round_time: z.strictObject({}),
  uniform: z.strictObject({
    epochs: span.describe("epochs, from and to").meta({ default: "those asked for" }),
    batchSize: span.describe("batch sizes, from and to").meta({ default: "that asked for" }),
    samples: span.describe("samples, from and to").meta({ default: "from 20 to those asked for" }),
  }),
  equal_time: z.strictObject({
    seconds: z.number().positive().default(0.15).describe("how long everybody computes"),
  }),
} as const;
export type PolicyName = keyof typeof policies;

export const policy = localPart(policies, "static", "policy");

export type Planning = { readonly seed: number; readonly round: number };
type Asked = { readonly use: string; readonly options: Record<string, unknown> };

/** What each of the cohort does, in its order. @throws FL_CONFIG_INVALID */
export function workOf(asked: Work, { use, options }: Asked, cohort: readonly Device[], at: Planning): Work[] {
  const own = (device: Device, work: Work): Work => ({
    epochs: asked.epochs === 0 ? 0 : Math.max(work.epochs, 1), // to rate is no epoch, by any policy
    batchSize: work.batchSize,
    samples: Math.max(Math.min(work.samples, device.samples), 1), // WO1
  });
  const told = <S extends z.ZodType>(schema: S): z.output<S> =>
    parseStrict(schema, options, { code: "FL_CONFIG_INVALID", what: `options of policy ${use}` });
  switch (use as PolicyName) {
    case "static":
      return cohort.map((d) => own(d, asked));
    case "best_round_time": {
      const fastest = cohort.reduce((a, d) => Math.max(a, d.speed), 0); // WO2
      return cohort.map((d) => own(d, { ...asked, epochs: Math.floor((asked.epochs * d.speed) / fastest) }));
    }
    case "uniform": {
      const { epochs, batchSize, samples } = told(policies.uniform);
      return cohort.map((d) => {
        const random = chance(at.seed, "work", d.number, at.round);
        const from = ([low, high]: readonly [number, number]): number => low + random.below(high - low + 1);
        return own(d, {
          epochs: from(epochs ?? [asked.epochs, asked.epochs]),
          batchSize: from(batchSize ?? [asked.batchSize, asked.batchSize]),
          samples: from(samples ?? [Math.min(20, asked.samples), asked.samples]),
        });
      });
    }
    case "equal_time": {
      const { seconds } = told(policies.equal_time);
      return cohort.map((d) => {
        const held = Math.min(asked.samples, d.samples);
        const passes = seconds * d.speed * asked.batchSize; // samples in that time
        if (asked.epochs === 0 || passes < held)
          return own(d, { ...asked, epochs: 1, samples: Math.min(Math.floor(passes), held) });
        return own(d, { ...asked, epochs: Math.floor(passes / held) });
      });
    }
  }
}
