/**
 * What became of one key: the words of the report.
 *
 * F1 Every value that is in force in the imported files has exactly one finding.
 */
import type { PlanInput } from "../plan/plan.ts";
import type { Json } from "./source.ts";

export const outcomes = {
  mapped: "the plan has it, under the key named",
  renamed: "it is here under a better name, outside the plan",
  implied: "nothing to write: it always holds here, or the need for it does not arise",
  none: "no counterpart",
  unknown: "OpenFL has no such key, or cannot have meant this value",
} as const;
export type Outcome = keyof typeof outcomes;

export type Verdict = {
  readonly outcome: Outcome;
  /** mapped: the key of the plan; renamed: what it is called here */
  readonly target?: string;
  /** what the plan then says under `target`; left out where another key's reading says it */
  readonly value?: unknown;
  /** one sentence, or half of one */
  readonly note: string;
};

export type Finding = {
  readonly file: string;
  readonly line: number;
  readonly key: string;
  readonly value: Json;
  readonly outcome: Outcome;
  readonly target: string | null;
  readonly note: string;
};

export type Imported = { readonly plan: PlanInput; readonly findings: readonly Finding[] };

export const mapped = (target: string, note: string, value?: unknown): Verdict => ({
  outcome: "mapped",
  target,
  note,
  ...(value === undefined ? {} : { value }),
});
export const renamed = (target: string, note: string): Verdict => ({ outcome: "renamed", target, note });
export const implied = (note: string): Verdict => ({ outcome: "implied", note });
export const none = (note: string): Verdict => ({ outcome: "none", note });
export const unknown = (note: string): Verdict => ({ outcome: "unknown", note });
