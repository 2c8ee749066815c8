/**
 * The sinks of one experiment in a process of their own, which a Director that is told `sinks` starts: from the experiment's
 * first metric to its last, then it ends. Its `name` is the experiment's.
 *
 * SI1 A sink that fails is one coded line of the log.
 */
import { z } from "zod";
import { metricsForSinks } from "../../src/client/reading.ts";
import { readRecord } from "../../src/client/record.ts";
import type { SinkMetric } from "../../src/parts/sink.ts";
import { roleConfig, runRole, wears } from "../entrypoint.ts";
import { pourAll } from "./pour.ts";
import { resolveSink } from "./resolve.ts";

const config = z.strictObject({ ...roleConfig.shape, sinks: z.array(z.string()).min(1) });

runRole(
  config,
  "sink",
  wears.directors,
  async ({ config: { name: experiment, fed, sinks }, wire, ports: { log }, stop, ready }) => {
    const placed = await Promise.all(sinks.map((text) => resolveSink(text)));
    ready();
    const source = metricsForSinks(wire, await readRecord(wire, experiment), { follow: true, signal: stop });
    const show = ({ experiment: _, ...metric }: SinkMetric): void => log.info(metric, "metric");
    await pourAll(source, placed, { experiment, federation: fed, show }, ({ sink, written, error }) => {
      if (error === null) log.info({ sink, written }, "metrics written");
      else log.error({ sink, written, code: error.code, err: error }, "metric sink failed"); // SI1
    });
  },
);
