/**
 * A straggler policy: when a round no longer waits for its slowest. A swappable part; this is its contract and its definition
 * helper. The built-in ones are in actors/straggler, a user's is a module.
 *
 * Owns the interface and the checks on what a policy decides; keeps no time and closes nothing itself.
 * SP1 A policy only decides: it is told all it may look at, and is asked when the round has opened, when anybody has answered
 *     or failed, and at the time it named itself.
 * SP2 Once it has said that the round has waited enough, that stands: the round closes as soon as the plan's quorum is in.
 * SP3 It can neither close a round below the quorum nor hold one up: when nobody is left to come, or at the plan's deadline,
 *     the round ends without it.
 */
import { z } from "zod";
import { FlError } from "../errors.ts";
import type { PastRound } from "../wire/messages.ts";

/** An open round, as its policy sees it. */
export type WaitingRound = {
  readonly round: number;
  /** since the round was opened */
  readonly elapsedMs: number;
  /** who was asked, in the order of names */
  readonly asked: readonly string[];
  /** how many answers make the round count */
  readonly quorum: number;
  /** the plan's deadline, counted as `elapsedMs` is; null if it has none */
  readonly deadlineMs: number | null;
  /** whose answer is in, in the order of arrival */
  readonly answered: readonly { readonly collaborator: string; readonly afterMs: number }[];
  readonly failed: readonly string[];
  /** the newest closed rounds, oldest first */
  readonly history: readonly PastRound[];
};

/** `true`: it has waited enough. `false`: wait. A number: wait, and ask again when the round is so many milliseconds old. */
export type Decision = boolean | number;

export type StragglerPolicy = {
  readonly name: string;
  /** @throws FL_PART_FAILED for what is no decision, and with what the policy throws as its cause */
  decide(round: WaitingRound): Decision;
};

export type StragglerPart = {
  readonly name: string;
  /** @throws FL_PLAN_INVALID when the options are not the policy's */
  create(options?: Record<string, unknown>): StragglerPolicy;
};

export type StragglerSpec<O> = {
  readonly name: string;
  /** a zod schema of the plan's `stragglers.options`; without one it takes none */
  readonly options?: z.ZodType<O>;
  decide(round: WaitingRound, options: O): Decision;
};

/** Defines a straggler policy. */
export function defineStragglers<O = Record<string, never>>(spec: StragglerSpec<O>): StragglerPart {
  const { name } = spec;
  const schema: z.ZodType<O> = spec.options ?? (z.strictObject({}) as unknown as z.ZodType<O>);
  return {
    name,
    create(given = {}) {
      const parsed = schema.safeParse(given);
      if (!parsed.success) {
        const reason = `options of straggler policy ${name}: ${z.prettifyError(parsed.error)}`;
        throw new FlError("FL_PLAN_INVALID", { reason });
      }
      return {
        name,
        decide(round) {
          let decision: unknown;
          try {
            decision = spec.decide(round, parsed.data);
          } catch (e) {
            if (e instanceof FlError && !e.retryable) throw e;
            throw failed(name, e instanceof Error ? e.message : String(e), e);
          }
          if (typeof decision === "boolean") return decision;
          if (typeof decision === "number" && decision >= 0 && decision <= Number.MAX_SAFE_INTEGER) return decision;
          throw failed(name, `it decided ${String(decision)}, which is neither true, false nor a time`);
        },
      };
    },
  };
}

const failed = (name: string, reason: string, cause?: unknown): FlError =>
  new FlError("FL_PART_FAILED", { part: name, reason: `straggler policy ${name}: ${reason}` }, { cause });
