/**
 * Aggregation: how the updates of a round become the next model. A swappable part; this is its contract and its definition
 * helper. The rules themselves are in actors/aggregation/, or in a user's file.
 *
 * Owns the interface and the reading of options; combines nothing itself.
 * G1 The result does not depend on the order in which updates are accepted, bit for bit.
 * G2 An update is refused (FL_UPDATE_RANGE, FL_LAYOUT_MISMATCH) without a trace: the round goes on as if it had not come.
 * G3 Memory is O(model), never O(updates): a rule either streams or puts updates aside in a file (law L5).
 * G4 No call keeps the event loop for long: a rule yields between blocks.
 * G5 An instance serves many rounds, one after the other, and reuses its memory. Accepts of one round may overlap; `finish`
 *    comes after the last of them is done.
 * G6 One that works elsewhere may lose a round, with every update it has accepted: FL_PART_LOST from `accept` or `finish`. The
 *    round is then begun again and offered all its updates; until then every call of it fails the same way.
 * G7 A round counts once in what lasts: one begun again, finished or not, starts from what the rounds before it have left.
 * test/contract/aggregation.ts holds every rule to these.
 */
import { z } from "zod";
import type { Layout } from "../tensor/layout.ts";
import { parseStrict } from "../validate.ts";
import type { PastRound } from "../wire/messages.ts";
import { Columns, type Combine, type Survey } from "./columns.ts";
import type { Update } from "./update.ts";

export type { Block, Survey } from "./columns.ts";
export type { Update } from "./update.ts";

/** What a round begins with. */
export type AggregationRound = {
  round: number;
  layout: Layout;
  /** the model the round started from; valid and unchanged until `finish` is done */
  global: Float32Array;
  /** a greater weight is refused; as tight or as loose as the caller likes */
  weightBound: number;
  /** no more updates than this will be accepted; 4096 when absent */
  updatesBound?: number | undefined;
  /** how many take part in the experiment, asked in this round or not; as many as bring an update when absent */
  members?: number | undefined;
  /** the newest closed rounds, oldest first, for one that asks for them (`history`) */
  history?: readonly PastRound[] | undefined;
};

export type Aggregation = {
  begin(round: AggregationRound): void | Promise<void>;
  /** @throws FL_UPDATE_RANGE, FL_LAYOUT_MISMATCH (G2), FL_PART_LOST (G6) */
  accept(update: Update): void | Promise<void>;
  /** Writes the next model to `out`. @throws FL_STATE when no update was accepted, FL_PART_LOST (G6) */
  finish(out: Float32Array): void | Promise<void>;
  /** What must last from round to round (momentum, say), stored with each checkpoint; called between rounds only. */
  save?: (() => Uint8Array) | undefined;
  /** @throws FL_SNAPSHOT_VERSION, FL_STATE for what is not this rule's */
  restore?(bytes: Uint8Array): void;
  dispose?(): void | Promise<void>;
  /** Of one that works elsewhere: who is waited for just now, as the plan names it; null if nobody is. For people to see. */
  readonly waitingFor?: string | null;
  /** It is to be told what came of earlier rounds; the Aggregator remembers that only if somebody asks. */
  readonly history?: boolean | undefined;
};

export type AggregationPart = {
  readonly name: string;
  /** for the table of rules in docs/plan.md */
  readonly summary?: string | undefined;
  readonly options?: z.ZodType | undefined;
  /** Fewer updates than this make no round with these options; 1 when absent. */
  least?(options?: Record<string, unknown>): number;
  /** @throws FL_PLAN_INVALID when the options are not the rule's */
  create(options?: Record<string, unknown>): Aggregation;
};

/** The full form: an object that sees each update once. */
export type AggregationSpec<O> = {
  name: string;
  /** what it does, in a sentence */
  summary?: string;
  /** a zod schema of the plan's `aggregation.options`; without one the rule takes none */
  options?: z.ZodType<O>;
  create(options: O): Aggregation;
};

/** The short form: a function that sees a block of elements of all updates at once. */
export type CombineSpec<O, F = undefined> = {
  name: string;
  summary?: string;
  options?: z.ZodType<O>;
  /** `combine` is given the newest closed rounds */
  history?: boolean;
  /** of fewer updates no model is made: FL_PART_FAILED */
  least?(options: O): number;
  /** for a rule that must see whole updates first: what it returns is each block's `found` */
  survey?(survey: Survey<O>): F | Promise<F>;
  combine: Combine<O, F>;
};

/** Defines an aggregation, in the full form (`create`) or the short one (`combine`). */
export function defineAggregation<O = Record<string, never>, F = undefined>(
  spec: AggregationSpec<O> | CombineSpec<O, F>,
): AggregationPart {
  const { name, summary } = spec;
  // the type of options is free to be anything only because the schema makes it; without one they are empty
  const schema: z.ZodType<O> = spec.options ?? (z.strictObject({}) as unknown as z.ZodType<O>);
  const parse = (given: Record<string, unknown> = {}): O =>
    parseStrict(schema, given, { code: "FL_PLAN_INVALID", what: `options of aggregation ${name}` });
  return {
    name,
    summary,
    options: schema,
    least: (given) => ("combine" in spec ? spec.least?.(parse(given)) : undefined) ?? 1,
    create(given) {
      const options = parse(given);
      return "create" in spec ? spec.create(options) : new Columns(spec, options);
    },
  };
}
