/**
 * A metric sink: where an experiment's metrics are written as they come, for other tools to read. A swappable part; this is
 * its contract and its definition helper. The built-in ones are in actors/sink/, a user's is a module.
 *
 * MS1 A sink is given one experiment's metrics, one at a time, in the order of their stream, each with its place there (`seq`).
 * MS2 It is given only what comes after the place up to which it holds them already (`last`): opened again on what it has
 *     written, it adds what is missing and nothing twice.
 * MS3 What fails in a sink is FL_PART_FAILED with the sink's name, unless it is a coded error already. It ends that sink:
 *     neither another one nor the experiment.
 */
import { z } from "zod";
import { FlError } from "../errors.ts";
import { parseStrict } from "../validate.ts";
import type { Metric } from "../wire/messages.ts";

/** A value that was measured. `seq` is its place in the federation's stream of metrics: it grows, with gaps. */
export type SinkMetric = Omit<Metric, "v"> & { readonly seq: number };
/** What tells one metric from all others, also from those of another federation. */
export type SinkPlace = Pick<SinkMetric, "seq" | "at">;

export type SinkContext = {
  readonly experiment: string;
  readonly federation: string;
  /** what the user wrote after the `=`, `{experiment}` filled in; empty if nothing */
  readonly target: string;
  /** Shows a metric to whoever looks on: on a command's stdout, in a role's log. */
  show(metric: SinkMetric): void;
};

/** One experiment's, from its opening on. */
export type OpenSink = {
  /** up to where it holds the experiment's metrics already (MS2); left out, it is given all */
  readonly last?: SinkPlace | null | undefined;
  write(metric: SinkMetric): void | Promise<void>;
  /** Called when no more is waiting: what was written should be there for others to read. */
  flush?(): void | Promise<void>;
  /** Called once, at the end of the experiment or when the reader is stopped; also after a failure. */
  close?(): void | Promise<void>;
};

/** What a user writes: in the full form it is opened for each experiment … */
export type SinkOpenSpec = {
  readonly name: string;
  /** what has to stand after the `=`, in a word ("FILE"); left out, nothing has to */
  readonly target?: string | undefined;
  open(context: SinkContext): OpenSink | Promise<OpenSink>;
};
/** … in the short one it keeps nothing, and each opening begins at the start. */
export type SinkWriteSpec = {
  readonly name: string;
  readonly target?: string | undefined;
  write(metric: SinkMetric, context: SinkContext): void | Promise<void>;
};
export type SinkSpec = SinkOpenSpec | SinkWriteSpec;

export type Sink = {
  readonly name: string;
  readonly target?: string | undefined;
  /** @throws FL_PART_FAILED and coded errors of its own (MS3); so do all methods of what it gives */
  open(context: SinkContext): Promise<OpenedSink>;
};
export type OpenedSink = {
  readonly last: SinkPlace | null;
  write(metric: SinkMetric): Promise<void>;
  flush(): Promise<void>;
  close(): Promise<void>;
};

/** Where a sink's metrics come from. */
export type MetricSource = {
  /** Whether this experiment's metric at that place is the one that is meant. */
  has(place: SinkPlace): Promise<boolean>;
  /** All that come after `seq`; `pending` says how many more are waiting. */
  read(after: number): AsyncIterable<{ readonly metric: SinkMetric; readonly pending: number }>;
};

const fn = <F>() => z.custom<F>((f) => typeof f === "function", "must be a function");
const maybe = <F>() => z.custom<F>((f) => f === undefined || typeof f === "function", "must be a function").optional();
const specSchema = z
  .object({
    name: z.string().min(1).max(64),
    target: z.string().min(1).max(64).optional(),
    open: maybe<SinkOpenSpec["open"]>(),
    write: maybe<SinkWriteSpec["write"]>(),
  })
  .refine((s) => (s.open === undefined) !== (s.write === undefined), "must have either open or write");
const openSchema = z.object({
  last: z
    .object({ seq: z.int().positive(), at: z.number() })
    .nullish()
    .transform((place) => place ?? null),
  write: fn<OpenSink["write"]>(),
  flush: maybe<OpenSink["flush"]>(),
  close: maybe<OpenSink["close"]>(),
});

/** Defines a sink, in the full form (`open`) or the short one (`write`). @throws FL_PART_FAILED when `spec` is none */
export function defineSink(spec: SinkSpec): Sink {
  const { name, target } = parseStrict(specSchema, spec, { code: "FL_PART_FAILED", what: "metric sink" });
  /** MS3 */
  const held = async <T>(work: () => T | Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (e) {
      if (e instanceof FlError) throw e;
      const said = e instanceof Error ? e.message : String(e);
      throw new FlError("FL_PART_FAILED", { part: name, reason: `metric sink ${name}: ${said}` }, { cause: e });
    }
  };
  return {
    name,
    target,
    async open(context) {
      // called on what they belong to: it may be a class
      const sink = await held<OpenSink>(() =>
        "open" in spec ? spec.open(context) : { write: (metric) => spec.write(metric, context) },
      );
      const what = `what metric sink ${name} opens`;
      const { last } = parseStrict(openSchema, sink, { code: "FL_PART_FAILED", what });
      return {
        last,
        write: (metric) => held(() => sink.write(metric)),
        flush: () => held(() => sink.flush?.()),
        close: () => held(() => sink.close?.()),
      };
    },
  };
}
