/**
 * An assigner: who does which tasks in a round. A swappable part; this is its contract and its definition helper. The built-in
 * ones are in actors/assigner, a user's is a module.
 *
 * Owns the interface and the checks on what an assigner returns; assigns nothing itself.
 * AS1 It is called once for each round, before the round opens, with what is known then. A restarted Aggregator goes on with
 *     what was assigned; it does not ask again.
 * AS2 Whoever is given no task is not asked in this round: nobody waits for it, and no quorum counts it.
 * AS3 The same round assigns alike on every machine, if the assigner draws from `random` only and looks at no device.
 * AS4 What it returns names collaborators that take part and labels of the plan, at least one; else FL_PART_FAILED says what
 *     is wrong. The order of labels is the plan's, whatever order it returns.
 */
import { z } from "zod";
import type { Random } from "../data/random.ts";
import { FlError } from "../errors.ts";
import type { DeviceReport, PastRound, Standing } from "../wire/messages.ts";

/** Somebody who can be asked. */
export type Candidate = {
  readonly name: string;
  /** what its envoy said of its data; null where it is not known. `samples` is known once its collaborator has loaded them */
  readonly shard: {
    readonly description: string;
    readonly sampleShape: readonly number[];
    readonly targetShape: readonly number[];
    readonly samples: number | null;
  } | null;
  /** what its device monitor said last; null where nothing was said */
  readonly device: DeviceReport | null;
  /** how often it was asked, and what came of it */
  readonly standing: Standing;
  /** its own metrics, as `<task label>.<metric>`, from the last round of `history` it answered in */
  readonly metrics: Readonly<Record<string, number>>;
};

/** What is known when a round opens. */
export type AssignerRound = {
  /** from 1; one past the last rates the final model */
  readonly round: number;
  readonly rounds: number;
  /** the round that rates the final model: of what is assigned in it, only what is done on the global model is asked */
  readonly rating: boolean;
  readonly seed: number;
  /** the plan's, in its order */
  readonly tasks: readonly { readonly label: string; readonly task: string; readonly on: "global" | "tuned" | null }[];
  /** who takes part, in the order of names */
  readonly collaborators: readonly Candidate[];
  /** the newest closed rounds, oldest first */
  readonly history: readonly PastRound[];
  /** seeded by the experiment and the round */
  readonly random: Random;
};

/** Labels of tasks by the collaborator who does them. */
export type Assignment = Readonly<Record<string, readonly string[]>>;

export type Assigner = {
  readonly name: string;
  /** @throws FL_PART_FAILED (AS4) */
  assign(round: AssignerRound): Promise<Assignment>;
};

export type AssignerPart = {
  readonly name: string;
  /** @throws FL_PLAN_INVALID when the options are not the assigner's */
  create(options?: Record<string, unknown>): Assigner;
};

export type AssignerSpec<O> = {
  readonly name: string;
  /** a zod schema of the plan's `assigner.options`; without one it takes none */
  readonly options?: z.ZodType<O>;
  assign(round: AssignerRound, options: O): Assignment | Promise<Assignment>;
};

/** Defines an assigner. */
export function defineAssigner<O = Record<string, never>>(spec: AssignerSpec<O>): AssignerPart {
  const { name } = spec;
  const schema: z.ZodType<O> = spec.options ?? (z.strictObject({}) as unknown as z.ZodType<O>);
  return {
    name,
    create(given = {}) {
      const parsed = schema.safeParse(given);
      if (!parsed.success) {
        const reason = `options of assigner ${name}: ${z.prettifyError(parsed.error)}`;
        throw new FlError("FL_PLAN_INVALID", { reason });
      }
      return {
        name,
        async assign(round) {
          let assignment: unknown;
          try {
            assignment = await spec.assign(round, parsed.data);
          } catch (e) {
            if (e instanceof FlError && !e.retryable) throw e;
            throw failed(name, e instanceof Error ? e.message : String(e), e);
          }
          return checked(name, assignment, round);
        },
      };
    },
  };
}

const failed = (name: string, reason: string, cause?: unknown): FlError =>
  new FlError("FL_PART_FAILED", { part: name, reason: `assigner ${name}: ${reason}` }, { cause });

const form = z.record(z.string(), z.array(z.string()));

/** AS4 */
function checked(name: string, value: unknown, round: AssignerRound): Assignment {
  const parsed = form.safeParse(value);
  if (!parsed.success) throw failed(name, "it must return a map from collaborators to lists of task labels");
  const labels = round.tasks.map((t) => t.label);
  const assignment: Record<string, string[]> = {};
  for (const { name: collaborator } of round.collaborators) {
    const given = parsed.data[collaborator];
    if (given === undefined) continue;
    const strange = given.find((label) => !labels.includes(label));
    if (strange !== undefined) {
      throw failed(name, `it gave ${collaborator} the task ${strange}; there are ${labels.join(", ")}`);
    }
    const own = labels.filter((label) => given.includes(label));
    if (own.length > 0) assignment[collaborator] = own;
  }
  const stranger = Object.keys(parsed.data).find((c) => !round.collaborators.some((known) => known.name === c));
  if (stranger !== undefined) throw failed(name, `it asked ${stranger}, who takes no part`);
  if (Object.keys(assignment).length === 0 && !round.rating)
    throw failed(name, `it asked nobody in round ${round.round}`);
  return assignment;
}
