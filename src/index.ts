/** What a program may import from "entente". Everything else is internal. */

/** The schema library in which a part describes its options, so that modules anywhere have the same one. */
export { z } from "zod";
export { readIdx } from "./data/idx.ts";
export { default as mnistShard } from "./data/mnist-shard.ts";
export { partitionDirichlet, partitionIid } from "./data/partition.ts";
export { defineShard, type ShardContext, type ShardDescriptor, type Split, type Splits } from "./data/shard.ts";
export { type Code, codes, FlError } from "./errors.ts";
export { type Aggregation, type AggregationPart, defineAggregation, type Update } from "./parts/aggregation.ts";
export { defineMonitor, type Monitor, type MonitorSpec } from "./parts/monitor.ts";
export {
  defineSink,
  type OpenSink,
  type Sink,
  type SinkContext,
  type SinkMetric,
  type SinkSpec,
} from "./parts/sink.ts";
export {
  defineExperiment,
  type ExperimentDefinition,
  type ExperimentInput,
  type Metrics,
  type ModelContext,
  type Task,
  type TaskContext,
} from "./workspace/define.ts";
