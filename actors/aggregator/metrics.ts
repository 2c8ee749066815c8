/**
 * Metrics of a round: the mean over its collaborators, named `<task label>.<metric>`.
 *
 * A task may report `samples`, the number its other metrics are averages over: then those weigh by it. Else every
 * collaborator counts by the weight of its update.
 * Q1 The result does not depend on arrival: contributions are added in the order of names they are given in.
 */
import type { Contribution } from "./workbench.ts";

export function averaged(contributions: readonly Contribution[]): Record<string, number> {
  const sums = new Map<string, { sum: number; weight: number }>();
  for (const { weight, metrics } of contributions) {
    for (const { task, values } of metrics) {
      const samples = values.samples;
      const w = samples !== undefined && samples > 0 ? samples : weight;
      for (const [metric, value] of Object.entries(values)) {
        const name = `${task}.${metric}`;
        const so = sums.get(name) ?? { sum: 0, weight: 0 };
        // the count itself adds up; everything else is averaged
        if (metric === "samples") sums.set(name, { sum: so.sum + value, weight: 1 });
        else sums.set(name, { sum: so.sum + w * value, weight: so.weight + w });
      }
    }
  }
  return Object.fromEntries([...sums].map(([name, { sum, weight }]) => [name, sum / weight]));
}

/** The same by task: its label, and its metrics by their own names. */
export function byTask(means: Readonly<Record<string, number>>): Map<string, Record<string, number>> {
  const tasks = new Map<string, Record<string, number>>();
  for (const [name, value] of Object.entries(means)) {
    const dot = name.indexOf(".");
    const task = name.slice(0, dot);
    tasks.set(task, { ...tasks.get(task), [name.slice(dot + 1)]: value });
  }
  return tasks;
}

/** One collaborator's own, by the same names. */
export const ownOf = ({ metrics }: Contribution): Record<string, number> =>
  Object.fromEntries(
    metrics.flatMap(({ task, values }) =>
      Object.entries(values).map(([metric, value]) => [`${task}.${metric}`, value]),
    ),
  );
