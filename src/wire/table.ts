/**
 * Every name on the network, in one place: subjects, streams, consumers, buckets and object stores, each with its payload.
 * docs/protocol.md is written from this table and test/wire/protocol.test.ts compares the two.
 *
 * N1 No other file spells a network name.
 * N2 Every subject that a role publishes on carries that instance's own name as a token (`from`), so that a server can
 *    permit by subject. An Aggregator's name is its experiment's.
 * N3 The version is the second token. A change that an older peer cannot read makes it v2.
 */
import type { z } from "zod";
import * as m from "./messages.ts";

type Role = "owner" | "manager" | "director" | "envoy" | "aggregator" | "collaborator" | "aggregation" | "monitor";

export type Subject<S extends string, T, R> = {
  readonly pattern: S;
  /** the role that publishes here, and the token that is its name */
  readonly from: readonly [Role, string];
  readonly to: Role | "all";
  readonly kind: "publish" | "request" | "stream";
  readonly schema: z.ZodType<T>;
  /** what a request is answered with; raw for a frame of bytes */
  readonly reply: z.ZodType<R> | "frame" | null;
  /** a data scientist's program may use it: JSON is accepted and answered */
  readonly open: boolean;
  readonly doc: string;
};

type About = { from: readonly [Role, string]; to: Role | "all"; doc: string; open?: boolean };

const publish = <const S extends string, T>(pattern: S, schema: z.ZodType<T>, about: About): Subject<S, T, never> => ({
  ...about,
  pattern,
  schema,
  kind: "publish",
  reply: null,
  open: about.open ?? false,
});
const stream = <const S extends string, T>(pattern: S, schema: z.ZodType<T>, about: About): Subject<S, T, never> => ({
  ...about,
  pattern,
  schema,
  kind: "stream",
  reply: null,
  open: about.open ?? false,
});
const request = <const S extends string, T, R>(
  pattern: S,
  schema: z.ZodType<T>,
  reply: z.ZodType<R>,
  about: About,
): Subject<S, T, R> => ({ ...about, pattern, schema, kind: "request", reply, open: about.open ?? false });
const requestFrame = <const S extends string, T>(
  pattern: S,
  schema: z.ZodType<T>,
  about: About,
): Subject<S, T, Uint8Array> => ({
  ...about,
  pattern,
  schema,
  kind: "request",
  reply: "frame",
  open: about.open ?? false,
});

const owner = ["owner", "owner"] as const;
const caller = ["owner", "caller"] as const;
const envoy = ["envoy", "envoy"] as const;
const aggregator = ["aggregator", "exp"] as const;
const collaborator = ["collaborator", "collaborator"] as const;
const manager = ["manager", "manager"] as const;

export const subjects = {
  submit: stream("fl.v1.{fed}.experiment.submit.{owner}", m.submission, {
    from: owner,
    to: "director",
    open: true,
    doc: "A new experiment. Stored and acknowledged by JetStream, also while no Director runs.",
  }),
  status: request("fl.v1.{fed}.director.status.{caller}", m.which, m.statusReply, {
    from: caller,
    to: "director",
    open: true,
    doc: "One experiment: its record, what it waits for and, while it runs, its progress.",
  }),
  list: request("fl.v1.{fed}.director.list.{caller}", m.nothing, m.listReply, {
    from: caller,
    to: "director",
    open: true,
    doc: "All experiments, in the order of submission.",
  }),
  cancel: request("fl.v1.{fed}.director.cancel.{caller}", m.which, m.acknowledged, {
    from: caller,
    to: "director",
    open: true,
    doc: "End an experiment that is pending or in progress.",
  }),
  model: request("fl.v1.{fed}.director.model.{caller}", m.modelQuery, m.modelReply, {
    from: caller,
    to: "director",
    open: true,
    doc: "Where the best or last model lies.",
  }),
  envoys: request("fl.v1.{fed}.director.envoys.{caller}", m.nothing, m.envoysReply, {
    from: caller,
    to: "director",
    open: true,
    doc: "All registered envoys with their shards, devices and state.",
  }),
  end: request("fl.v1.{fed}.exp.{exp}.director.{director}.cancel", m.nothing, m.acknowledged, {
    from: ["director", "director"],
    to: "aggregator",
    doc: "The Aggregator ends its experiment as cancelled.",
  }),
  register: request("fl.v1.{fed}.envoy.{envoy}.register", m.shardInfo, m.registered, {
    from: envoy,
    to: "director",
    doc: "An envoy offers its shard. Answered with the heartbeat period, or refused: the shard, or the name, which is taken.",
  }),
  heartbeat: request("fl.v1.{fed}.envoy.{envoy}.heartbeat", m.heartbeat, m.heartbeatReply, {
    from: envoy,
    to: "director",
    doc: "An envoy lives; what it runs; its device report. Answered with the period to keep.",
  }),
  probe: request("fl.v1.{fed}.envoy.{envoy}.probe.{instance}.{director}", m.nothing, m.acknowledged, {
    from: ["director", "director"],
    to: "envoy",
    doc: "Is this very process there? Asked before another takes its name; NATS says at once that nobody answers.",
  }),
  envoyFailed: request("fl.v1.{fed}.envoy.{envoy}.exp.{exp}.failed", m.envoyFailed, m.acknowledged, {
    from: envoy,
    to: "aggregator",
    doc: "An envoy cannot run an experiment's collaborator. Repeated every few seconds for as long as it is so.",
  }),
  reviewed: request("fl.v1.{fed}.envoy.{envoy}.exp.{exp}.reviewed", m.review, m.acknowledged, {
    from: envoy,
    to: "director",
    doc: "An envoy's review of an experiment. Answered when it is recorded.",
  }),
  directorReviews: request("fl.v1.{fed}.director.{director}.review.list.{manager}", m.nothing, m.reviewsReply, {
    from: manager,
    to: "director",
    open: true,
    doc: "The experiments that wait for the Director's manager to decide.",
  }),
  directorReview: request("fl.v1.{fed}.director.{director}.review.show.{manager}", m.reviewQuery, m.reviewReply, {
    from: manager,
    to: "director",
    open: true,
    doc: "One of them: its plan and its code listing, or a piece of a file's source.",
  }),
  directorDecide: request("fl.v1.{fed}.director.{director}.review.decide.{manager}", m.decision, m.acknowledged, {
    from: manager,
    to: "director",
    open: true,
    doc: "The Director's manager approves or rejects an experiment.",
  }),
  envoyReviews: request("fl.v1.{fed}.envoy.{envoy}.review.list.{manager}", m.nothing, m.reviewsReply, {
    from: manager,
    to: "envoy",
    open: true,
    doc: "The experiments that wait for this envoy's manager to decide.",
  }),
  envoyReview: request("fl.v1.{fed}.envoy.{envoy}.review.show.{manager}", m.reviewQuery, m.reviewReply, {
    from: manager,
    to: "envoy",
    open: true,
    doc: "One of them: its plan and its code listing, or a piece of a file's source.",
  }),
  envoyDecide: request("fl.v1.{fed}.envoy.{envoy}.review.decide.{manager}", m.decision, m.acknowledged, {
    from: manager,
    to: "envoy",
    open: true,
    doc: "The envoy's manager approves or rejects an experiment.",
  }),
  metric: stream("fl.v1.{fed}.exp.{exp}.metric.{origin}", m.metric, {
    from: ["collaborator", "origin"],
    to: "all",
    open: true,
    doc: "One value of one metric. The Aggregator's origin is `aggregator`.",
  }),
  event: stream("fl.v1.{fed}.exp.{exp}.event.{origin}", m.event, {
    from: ["aggregator", "origin"],
    to: "all",
    open: true,
    doc: "Something happened to an experiment; `origin` is `director` or `aggregator`.",
  }),
  modelChunk: stream("fl.v1.{fed}.exp.{exp}.model.{epoch}.{round}", m.nothing, {
    from: aggregator,
    to: "collaborator",
    doc: "One frame of the model that enters a round (raw frame, not a message).",
  }),
  stateChunk: stream("fl.v1.{fed}.exp.{exp}.state.{epoch}.{round}", m.nothing, {
    from: aggregator,
    to: "aggregator",
    doc: "One frame of what lasts beside the model before a round (raw frame, not a message).",
  }),
  offer: request("fl.v1.{fed}.exp.{exp}.col.{collaborator}.offer", m.offer, m.verdict, {
    from: collaborator,
    to: "aggregator",
    doc: "An update is ready. Answered when it has been taken or refused: this is the commit.",
  }),
  taskFailed: request("fl.v1.{fed}.exp.{exp}.col.{collaborator}.failed", m.taskFailed, m.acknowledged, {
    from: collaborator,
    to: "aggregator",
    doc: "A task threw; no update comes from here in this round.",
  }),
  alive: publish("fl.v1.{fed}.exp.{exp}.col.{collaborator}.alive", m.alive, {
    from: collaborator,
    to: "all",
    doc: "The collaborator lives, and how far its task is. Each second and at each change.",
  }),
  pull: requestFrame("fl.v1.{fed}.exp.{exp}.agg.pull.{collaborator}", m.pull, {
    from: aggregator,
    to: "collaborator",
    doc: "One credit: send this chunk of the update. Answered with a frame.",
  }),
  devices: request("fl.v1.{fed}.exp.{exp}.agg.devices", m.nothing, m.envoysReply, {
    from: aggregator,
    to: "director",
    doc: "An assigner of the plan's own wants to know the devices of this experiment's envoys. Answered with those envoys.",
  }),
  progress: publish("fl.v1.{fed}.exp.{exp}.agg.progress", m.progress, {
    from: aggregator,
    to: "all",
    open: true,
    doc: "What the Aggregator sees of its round.",
  }),
  aggregationBegin: request("fl.v1.{fed}.exp.{exp}.aggregation.{name}.begin", m.aggregationBegin, m.aggregationReply, {
    from: aggregator,
    to: "aggregation",
    doc: "A remote aggregation actor starts a round; it pulls `global`, and `state` if it does not have it.",
  }),
  aggregationAccept: request(
    "fl.v1.{fed}.exp.{exp}.aggregation.{name}.accept",
    m.aggregationAccept,
    m.aggregationReply,
    {
      from: aggregator,
      to: "aggregation",
      doc: "An update for it; it pulls `update`, then answers.",
    },
  ),
  aggregationFinish: request(
    "fl.v1.{fed}.exp.{exp}.aggregation.{name}.finish",
    m.aggregationFinish,
    m.aggregationReply,
    {
      from: aggregator,
      to: "aggregation",
      doc: "Close the round; the aggregator pulls `next`, and `state` if there is any.",
    },
  ),
  aggregationGive: requestFrame("fl.v1.{fed}.exp.{exp}.aggregation.{name}.give", m.aggregationPull, {
    from: aggregator,
    to: "aggregation",
    doc: "The aggregator pulls a chunk of the next model, or of the rule's state, from the actor.",
  }),
  aggregationTake: requestFrame("fl.v1.{fed}.aggregation.{name}.take.{exp}.{session}", m.aggregationPull, {
    from: ["aggregation", "name"],
    to: "aggregator",
    doc: "The actor pulls a chunk of the global model, of an update or of the rule's state. Served while the session lasts.",
  }),
  report: request("fl.v1.{fed}.envoy.{envoy}.monitor.{name}", m.nothing, m.reportReply, {
    from: envoy,
    to: "monitor",
    doc: "A remote device monitor is asked for a report.",
  }),
} as const;

export type Bucket<K extends string, T> = {
  readonly name:
    | "fl-{fed}-experiments"
    | "fl-{fed}-envoys"
    | "fl-{fed}-assignments"
    | "fl-{fed}-rounds"
    | "fl-{fed}-snapshots";
  readonly key: K;
  readonly writer: Role;
  readonly schema: z.ZodType<T>;
  readonly doc: string;
};
const bucket = <const K extends string, T>(
  name: Bucket<K, T>["name"],
  key: K,
  writer: Role,
  schema: z.ZodType<T>,
  doc: string,
): Bucket<K, T> => ({ name, key, writer, schema, doc });

export const buckets = {
  experiments: bucket(
    "fl-{fed}-experiments",
    "{exp}",
    "director",
    m.experimentRecord,
    "Each experiment's state, failure and outcome.",
  ),
  envoys: bucket("fl-{fed}-envoys", "{envoy}", "director", m.envoyRecord, "Registered envoys and their shards."),
  assignments: bucket(
    "fl-{fed}-assignments",
    "{envoy}",
    "director",
    m.assignmentRecord,
    "What an envoy is to run now; envoys watch their key.",
  ),
  rounds: bucket(
    "fl-{fed}-rounds",
    "{exp}",
    "aggregator",
    m.roundRecord,
    "The current round and its checkpoint; collaborators watch their key.",
  ),
  snapshots: bucket(
    "fl-{fed}-snapshots",
    "{role}.{name}",
    "director",
    m.snapshot,
    "Persisted actor snapshots, with their owner.",
  ),
} as const;

export const streams = {
  submissions: { name: "FL-{fed}-SUBMISSIONS", subjects: [subjects.submit.pattern], doc: "Submitted experiments." },
  metrics: {
    name: "FL-{fed}-METRICS",
    subjects: [subjects.metric.pattern],
    doc: "All metrics; any number of readers.",
  },
  events: { name: "FL-{fed}-EVENTS", subjects: [subjects.event.pattern], doc: "All events; any number of readers." },
  model: {
    name: "FL-{fed}-MODEL-{exp}",
    subjects: [subjects.modelChunk.pattern, subjects.stateChunk.pattern],
    doc: "The models of one experiment's rounds, in chunks.",
  },
} as const;

export const consumers = {
  director: { durable: "director", stream: "submissions", doc: "The Director's place in the submissions." },
} as const;

export const shelves = {
  archives: { name: "fl-{fed}-archives", doc: "Workspace archives, named by their SHA-256." },
  models: {
    name: "fl-{fed}-models",
    doc: "Initial, kept and final models as safetensors: `{exp}.best`, `{exp}.last`, `{exp}.round-{n}`.",
  },
} as const;
