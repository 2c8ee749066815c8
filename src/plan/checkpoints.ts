/**
 * Which rounds' models outlast their round, and which model an experiment begins with.
 *
 * CK1 The best and the last model are always kept; `keep` says which rounds' models are kept beside them.
 */
import { z } from "zod";
import { short, token } from "./forms.ts";

const every = (v: unknown): number | undefined => {
  const found = typeof v === "string" ? /^every ([1-9]\d{0,8})$/.exec(v.trim()) : null;
  return found === null ? undefined : Number(found[1]);
};
const isKeep = (v: unknown): boolean =>
  v === "last" || v === "all" || (typeof v === "number" && Number.isSafeInteger(v) && v >= 1) || every(v) !== undefined;

export type Keep = "last" | "all" | number | `every ${number}`;

export const checkpoints = z.strictObject({
  keep: z
    .custom<Keep>(isKeep, "must be last, all, a whole number from 1, or every <n> such as every 10")
    .default("last")
    .describe("`last` alone, `all` rounds, the newest `<n>`, or `every <n>`th."),
});

/** Whether the model of `round` is kept when it is made. */
export const isKept = (keep: Keep, round: number): boolean =>
  keep !== "last" && round > 0 && round % (every(keep) ?? 1) === 0;

/** What of `rounds` (in order) is still kept (CK1). */
export const stillKept = (keep: Keep, rounds: readonly number[]): readonly number[] =>
  typeof keep === "number" ? rounds.slice(-keep) : rounds;

const isWhich = (v: unknown): boolean =>
  v === "best" || v === "last" || (typeof v === "number" && Number.isSafeInteger(v) && v >= 1);

export const from = short(
  "experiment",
  z.strictObject({
    experiment: token.describe("An experiment of the same owner."),
    round: z
      .custom<"best" | "last" | number>(isWhich, "must be best, last, or the number of a round")
      .default("last")
      .describe("Its best or last model, or that of a round that its `checkpoints` have kept."),
    resume: z
      .boolean()
      .default(false)
      .describe("Go on counting where that model stands, as if the rounds up to it had been this experiment's."),
  }),
);
export type PlanFrom = z.output<typeof from>;
