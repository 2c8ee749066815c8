/** What a program may import from "entente". Everything else is internal. */

/** The schema library in which a part describes its options, so that modules anywhere have the same one. */
export { z } from "zod";
export type { Poured } from "../actors/sink/pour.ts";
export {
  Experiment,
  type ExperimentStatus,
  type ModelOptions,
  type WriteOptions,
} from "./client/experiment.ts";
export { type ConnectOptions, Federation, type StartOptions, type TlsFiles } from "./client/federation.ts";
export type { ReadOptions } from "./client/holdings.ts";
export type { InitialModel } from "./client/initial.ts";
export type { LocalCollaborator, LocalOptions } from "./client/local.ts";
export type { FetchedModel } from "./client/model.ts";
export { type Rehearsal, type RehearsalOptions, rehearse } from "./client/rehearsal.ts";
export type { RoundRow } from "./client/rounds.ts";
export type { Shard } from "./client/shards.ts";
export type { Submitted } from "./client/submission.ts";
export { type DummyShardOptions, dummyShard } from "./data/dummy-shard.ts";
export { readIdx } from "./data/idx.ts";
export { default as mnistShard } from "./data/mnist-shard.ts";
export { partitionDirichlet, partitionIid } from "./data/partition.ts";
export { defineShard, type ShardContext, type ShardDescriptor, type Split, type Splits } from "./data/shard.ts";
export { type PartitionOptions, partition, type SplitterName, type Splitting } from "./data/splitting.ts";
export { tensorflow } from "./engine/tensorflow.ts";
export { type Code, codes, FlError } from "./errors.ts";
export { type Aggregation, type AggregationPart, defineAggregation, type Update } from "./parts/aggregation.ts";
export {
  type AssignerPart,
  type AssignerRound,
  type Assignment,
  type Candidate,
  defineAssigner,
} from "./parts/assigner.ts";
export { defineMonitor, type Monitor, type MonitorSpec } from "./parts/monitor.ts";
export {
  type Decision as ReviewDecision,
  defineReviewer,
  type Reviewer,
  type ReviewerPart,
  type ReviewerSpec,
  type ReviewRequest,
} from "./parts/reviewer.ts";
export {
  defineSink,
  type OpenSink,
  type Sink,
  type SinkContext,
  type SinkMetric,
  type SinkSpec,
} from "./parts/sink.ts";
export { type Decision, defineStragglers, type StragglerPart, type WaitingRound } from "./parts/straggler.ts";
export type { NamedTensor, NamedTensors } from "./tensor/named.ts";
export type { EnvoyStatus, Event, ExperimentRecord, Metric, Progress } from "./wire/messages.ts";
export {
  defineExperiment,
  type ExperimentDefinition,
  type ExperimentInput,
  type Metrics,
  type ModelContext,
  type Task,
  type TaskContext,
} from "./workspace/define.ts";
