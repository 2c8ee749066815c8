/**
 * Feeds one sink with an experiment's metrics, from where it left off to the end.
 *
 * PO1 A sink that fails is closed and told of; it throws nothing. What fails at the source is thrown.
 * PO2 A sink goes on only behind a metric that is in the stream as the sink holds it: what holds another run of the same name
 *     is left as it is (FL_EXISTS).
 */
import { asFlError, FlError } from "../../src/errors.ts";
import type { MetricSource, OpenedSink, SinkContext } from "../../src/parts/sink.ts";
import type { PlacedSink } from "./resolve.ts";

export type Poured = {
  /** the sink, as the user wrote it */
  readonly sink: string;
  /** how many metrics were written now */
  readonly written: number;
  /** why it ended before its time */
  readonly error: FlError | null;
};

/** Feeds sinks side by side, none waiting for another; tells of each as it ends. @throws what the source throws, once all are closed */
export async function pourAll(
  source: MetricSource,
  sinks: readonly PlacedSink[],
  context: Omit<SinkContext, "target">,
  ended: (poured: Poured) => void,
): Promise<Poured[]> {
  const all = await Promise.allSettled(
    sinks.map(async (sink) => {
      const poured = await pour(source, sink, context);
      ended(poured);
      return poured;
    }),
  );
  return all.map((one) => {
    if (one.status === "fulfilled") return one.value;
    throw one.reason;
  });
}

/** @throws what the source throws, the reason of its signal among them */
export async function pour(
  source: MetricSource,
  { text, sink, target }: PlacedSink,
  context: Omit<SinkContext, "target">,
): Promise<Poured> {
  const filled = target.replaceAll("{experiment}", context.experiment);
  let written = 0;
  let opened: OpenedSink | undefined;
  const failed = async (e: unknown): Promise<Poured> => {
    await opened?.close().catch(() => {}); // it has failed already
    return { sink: text, written, error: asFlError(e, "FL_PART_FAILED") };
  };
  try {
    opened = await sink.open({ ...context, target: filled });
  } catch (e) {
    return failed(e);
  }
  try {
    const { last } = opened;
    if (last !== null && !(await source.has(last))) {
      const reason = `${text} holds metrics of another run named ${context.experiment}`;
      const hint = "name another place for them";
      return failed(new FlError("FL_EXISTS", { reason, hint })); // PO2
    }
    for await (const { metric, pending } of source.read(last?.seq ?? 0)) {
      try {
        await opened.write(metric);
        written++;
        if (pending === 0) await opened.flush();
      } catch (e) {
        return await failed(e);
      }
    }
  } catch (e) {
    await failed(e);
    throw e; // PO1
  }
  try {
    await opened.close();
  } catch (e) {
    return { sink: text, written, error: asFlError(e, "FL_PART_FAILED") };
  }
  return { sink: text, written, error: null };
}
