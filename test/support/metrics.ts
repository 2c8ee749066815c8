/** Metrics to be written: a source that holds them, and what comes to read them back. */
import { type Poured, pour } from "../../actors/sink/pour.ts";
import { resolveSink } from "../../actors/sink/resolve.ts";
import type { MetricSource, SinkMetric, SinkPlace } from "../../src/parts/sink.ts";

export const AT = 1_700_000_000_123;

/** The metrics of an experiment, in order; places have gaps, as other experiments' metrics lie between. */
export const measured = (rounds: number, experiment = "e", first = 1): SinkMetric[] =>
  Array.from({ length: rounds }, (_, i) => ["north", "aggregator"].map((origin, k) => ({ origin, n: 2 * i + k })))
    .flat()
    .map(({ origin, n }) => ({
      ...{ experiment, round: Math.floor(n / 2) + 1, origin, task: "train", metric: "loss" },
      ...{ value: 1 / (n + 3), at: AT + 250 * n, seq: first + 3 * n },
    }));

export const sourceOf = (
  metrics: readonly SinkMetric[],
  until = metrics.length,
): MetricSource & { readonly asked: number[] } => {
  const asked: number[] = [];
  return {
    asked,
    has: async ({ seq, at }: SinkPlace) => metrics.some((m) => m.seq === seq && m.at === at),
    async *read(after) {
      asked.push(after);
      const left = metrics.slice(0, until).filter((m) => m.seq > after);
      for (const [i, metric] of left.entries()) yield { metric, pending: left.length - i - 1 };
    },
  };
};

export const pourInto = async (
  text: string,
  source: MetricSource,
  experiment = "e",
  show: (metric: SinkMetric) => void = () => {},
): Promise<Poured> => pour(source, await resolveSink(text), { experiment, federation: "test", show });
