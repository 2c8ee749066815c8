/**
 * What an owner has in a federation, wherever it is read: asked of the Director (asked.ts), or where it is stored (stored.ts).
 *
 * H1 Both show an owner its own. What is another's is FL_NOT_FOUND.
 */
import type { Shapes } from "../data/dummy-shard.ts";
import type { MetricSource } from "../parts/sink.ts";
import type { Layout } from "../tensor/layout.ts";
import type { Event, ExperimentRecord, Metric, Status, Uploaded } from "../wire/messages.ts";
import type { Description, Listed } from "../wire/requests.ts";
import type { Shard } from "./shards.ts";

export type ReadOptions = { readonly follow?: boolean | undefined; readonly signal?: AbortSignal | undefined };
/** `round`: one that the plan's `checkpoints` have kept. */
export type Which = "best" | "last" | { readonly round: number };
export const whichName = (which: Which): string => (typeof which === "string" ? which : `round-${which.round}`);
export type Weights = {
  /** rounds of training that are in it */
  readonly rounds: number;
  readonly layout: Layout;
  readonly values: Float32Array;
};

export interface Holdings {
  /** `director` is false if nobody answered and this is what is stored. @throws FL_NOT_FOUND */
  status(experiment: string): Promise<Status & { director: boolean }>;
  /** @throws FL_NOT_FOUND */
  describe(experiment: string): Promise<Description>;
  /** All of the owner's, in the order of submission. */
  list(): Promise<Listed[]>;
  /** Resolves when there is a record that satisfies the predicate. @throws the signal's reason */
  until(
    experiment: string,
    holds: (record: ExperimentRecord) => boolean,
    signal?: AbortSignal,
  ): Promise<ExperimentRecord>;
  /** From the first on. With `follow` it goes on until the experiment has ended and all is read. */
  metrics(experiment: string, options?: ReadOptions): AsyncIterable<Metric>;
  events(experiment: string, options?: ReadOptions): AsyncIterable<Event>;
  /** The same metrics, for sinks. */
  forSinks(experiment: string, options?: ReadOptions): Promise<MetricSource>;
  /** What the Director says of a submission: also where its name turns out to be another's. Ends with the signal. */
  told(experiment: string, signal: AbortSignal): AsyncIterable<Event>;
  /** @throws FL_STATE before there is one, FL_NOT_FOUND when it is not kept any more */
  weights(record: ExperimentRecord, which: Which): Promise<Weights>;
  /** The workspace archive, unchecked. @throws FL_NOT_FOUND */
  archive(of: { readonly experiment: string; readonly owner: string; readonly archive: Uploaded }): Promise<Uint8Array>;
  /** All that were ever registered, in the order of their envoys' names. @throws FL_NOT_FOUND if there is no such federation */
  shards(): Promise<Shard[]>;
  /** Of one sample and one target: all shards of a federation have the same. @throws FL_NOT_FOUND before the first has registered */
  shapes(): Promise<Shapes>;
}
