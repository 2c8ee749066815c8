/**
 * Every name on the network, in one place: subjects, streams, consumers, buckets and object stores, each with its payload.
 * docs/protocol.md is written from this table and test/wire/protocol.test.ts compares the two; who may do what on a secured
 * server is made from it as well (permissions.ts).
 *
 * N1 No other file spells a network name.
 * N2 Every subject carries the name of whoever publishes there as a token (`from`), and where it is for one instance only,
 *    that one's (`to`), so that a server can permit by subject. An Aggregator's name is its experiment's. The Director, which
 *    is one, need not say its own.
 * N3 The version is the second token. A change that an older peer cannot read makes it v2.
 * N4 No subject can be read as another, whatever the names in it: what its owner may hear lies below `owner`, apart from
 *    what its experiment's actors say to each other.
 */
import type { z } from "zod";
import * as m from "./messages.ts";
import * as r from "./requests.ts";

export type Role =
  | "owner"
  | "manager"
  | "director"
  | "envoy"
  | "aggregator"
  | "collaborator"
  | "aggregation"
  | "monitor";

/** A role, the token that is its instance's name, and the word that stands there if it is not that name. */
export type Speaker = readonly [role: Role, token?: string, word?: string];
/** A role, and the token that says which instance is meant; without one, all of them are. */
export type Listener = readonly [role: Role, token?: string];

export type Subject<S extends string, T, R> = {
  readonly pattern: S;
  readonly from: readonly Speaker[];
  readonly to: readonly Listener[];
  /** of a stream: its listeners may also ask the stream for the newest message of a subject */
  readonly again: boolean;
  readonly kind: "publish" | "request" | "stream";
  readonly schema: z.ZodType<T>;
  /** what a request is answered with; raw for a frame of bytes */
  readonly reply: z.ZodType<R> | "frame" | null;
  /** a data scientist's program may use it: JSON is accepted and answered */
  readonly open: boolean;
  readonly doc: string;
};

type About = {
  from: Speaker | readonly Speaker[];
  to: Listener | readonly Listener[];
  doc: string;
  open?: boolean;
  again?: boolean;
};

const several = <T extends readonly unknown[]>(one: T | readonly T[]): readonly T[] =>
  (Array.isArray(one[0]) ? one : [one]) as readonly T[];
const told = ({ from, to, doc, open = false, again = false }: About) => ({
  from: several<Speaker>(from),
  to: several<Listener>(to),
  doc,
  open,
  again,
});

const publish = <const S extends string, T>(pattern: S, schema: z.ZodType<T>, about: About): Subject<S, T, never> => ({
  ...told(about),
  pattern,
  schema,
  kind: "publish",
  reply: null,
});
const stream = <const S extends string, T>(pattern: S, schema: z.ZodType<T>, about: About): Subject<S, T, never> => ({
  ...told(about),
  pattern,
  schema,
  kind: "stream",
  reply: null,
});
const request = <const S extends string, T, R>(
  pattern: S,
  schema: z.ZodType<T>,
  reply: z.ZodType<R>,
  about: About,
): Subject<S, T, R> => ({ ...told(about), pattern, schema, kind: "request", reply });
const requestFrame = <const S extends string, T>(
  pattern: S,
  schema: z.ZodType<T>,
  about: About,
): Subject<S, T, Uint8Array> => ({ ...told(about), pattern, schema, kind: "request", reply: "frame" });

const owner = ["owner", "owner"] as const;
const caller = ["owner", "caller"] as const;
const director = ["director", "director"] as const;
const theDirector = ["director"] as const;
const envoy = ["envoy", "envoy"] as const;
const aggregator = ["aggregator", "exp"] as const;
const collaborator = ["collaborator", "collaborator"] as const;
const manager = ["manager", "manager"] as const;
const aggregation = ["aggregation", "name"] as const;

export const subjects = {
  submit: stream("fl.v1.{fed}.experiment.submit.{owner}", m.submission, {
    from: owner,
    to: theDirector,
    open: true,
    doc: "A new experiment. Stored and acknowledged by JetStream, also while no Director runs.",
  }),
  uploadChunk: stream("fl.v1.{fed}.upload.{owner}.{digest}.{index}", m.nothing, {
    from: owner,
    to: theDirector,
    doc: "512 KiB of what a submission brings along, by the SHA-256 of the whole (the bytes themselves, not a message).",
  }),
  status: request("fl.v1.{fed}.director.status.{caller}", m.which, m.statusReply, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "One experiment: its record, what it waits for and, while it runs, its progress.",
  }),
  describe: request("fl.v1.{fed}.director.describe.{caller}", m.which, r.describeReply, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "One experiment in figures: how far it is, which models there are, its tasks, and what each collaborator is at.",
  }),
  dataset: request("fl.v1.{fed}.director.dataset.{caller}", m.nothing, r.datasetReply, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "The shapes of a sample and of a target, which all shards have.",
  }),
  list: request("fl.v1.{fed}.director.list.{caller}", m.nothing, r.listReply, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "The caller's experiments, in the order of submission, each with how far it is.",
  }),
  cancel: request("fl.v1.{fed}.director.cancel.{caller}", m.which, r.ordered, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "End an experiment that has not ended.",
  }),
  pause: request("fl.v1.{fed}.director.pause.{caller}", m.which, r.ordered, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "Let an experiment rest: its Aggregator leaves, its envoys are free, its checkpoint stays.",
  }),
  resume: request("fl.v1.{fed}.director.resume.{caller}", m.which, r.ordered, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "A paused experiment goes on, before the others of its priority; the interrupted round is repeated.",
  }),
  retry: request("fl.v1.{fed}.director.retry.{caller}", r.retryOrder, r.ordered, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "A failed, rejected or cancelled experiment goes into the queue again, from its last checkpoint or `fresh`.",
  }),
  priority: request("fl.v1.{fed}.director.priority.{caller}", r.priorityOrder, r.ordered, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "Move an experiment that waits: higher goes first.",
  }),
  deadline: request("fl.v1.{fed}.director.deadline.{caller}", r.deadlineOrder, r.ordered, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "Until when a whole experiment must have ended, or else it fails.",
  }),
  fail: request("fl.v1.{fed}.director.fail.{caller}", r.failOrder, r.ordered, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "End an experiment as failed, with the reason.",
  }),
  remove: request("fl.v1.{fed}.director.remove.{caller}", m.which, r.ordered, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "End an experiment if it has not ended, and free all that is kept of it. Its name may be used again.",
  }),
  model: request("fl.v1.{fed}.director.model.{caller}", m.modelQuery, m.modelReply, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "Which the best or last model is, and what to ask `give` for.",
  }),
  give: requestFrame("fl.v1.{fed}.director.give.{caller}", m.give, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "One chunk of a model or of an archive of the caller's. Answered with a frame; empty if there is no such thing.",
  }),
  metrics: request("fl.v1.{fed}.director.metrics.{caller}", m.readQuery, m.metricsPage, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "An experiment's metrics from a place in the stream on, in order, a page at a time.",
  }),
  events: request("fl.v1.{fed}.director.events.{caller}", m.readQuery, m.eventsPage, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "An experiment's events from a place in the stream on, in order, a page at a time.",
  }),
  envoys: request("fl.v1.{fed}.director.envoys.{caller}", m.nothing, m.envoysReply, {
    from: caller,
    to: theDirector,
    open: true,
    doc: "All registered envoys with their shards, devices and state.",
  }),
  end: request("fl.v1.{fed}.exp.{exp}.director.{director}.cancel", m.ending, m.acknowledged, {
    from: director,
    to: aggregator,
    doc: "The Aggregator ends its experiment as cancelled, or as failed if it is told why.",
  }),
  register: request("fl.v1.{fed}.envoy.{envoy}.register", m.shardInfo, m.registered, {
    from: envoy,
    to: theDirector,
    doc: "An envoy offers its shard. Answered with the heartbeat period, or refused: the shard, or the name, which is taken.",
  }),
  heartbeat: request("fl.v1.{fed}.envoy.{envoy}.heartbeat", m.heartbeat, m.heartbeatReply, {
    from: envoy,
    to: theDirector,
    doc: "An envoy lives; what it runs; its device report. Answered with the period to keep.",
  }),
  probe: request("fl.v1.{fed}.envoy.{envoy}.probe.{instance}.{director}", m.nothing, m.acknowledged, {
    from: director,
    to: envoy,
    doc: "Is this very process there? Asked before another takes its name; NATS says at once that nobody answers.",
  }),
  archive: requestFrame("fl.v1.{fed}.envoy.{envoy}.archive", m.archivePull, {
    from: envoy,
    to: theDirector,
    doc: "One chunk of the workspace archive of an experiment that this envoy is assigned; empty for any other.",
  }),
  assigned: publish("fl.v1.{fed}.envoy.{envoy}.assigned", m.assignedNews, {
    from: theDirector,
    to: envoy,
    doc: "The envoy's assignments have changed: the new record, once it is stored.",
  }),
  envoyFailed: request("fl.v1.{fed}.envoy.{envoy}.exp.{exp}.failed", m.envoyFailed, m.acknowledged, {
    from: envoy,
    to: aggregator,
    doc: "An envoy cannot run an experiment's collaborator. Repeated every few seconds for as long as it is so.",
  }),
  reviewed: request("fl.v1.{fed}.envoy.{envoy}.exp.{exp}.reviewed", m.review, m.acknowledged, {
    from: envoy,
    to: theDirector,
    doc: "An envoy's review of an experiment. Answered when it is recorded.",
  }),
  directorReviews: request("fl.v1.{fed}.director.{director}.review.list.{manager}", m.nothing, m.reviewsReply, {
    from: manager,
    to: director,
    open: true,
    doc: "The experiments that wait for the Director's manager to decide.",
  }),
  directorReview: request("fl.v1.{fed}.director.{director}.review.show.{manager}", m.reviewQuery, m.reviewReply, {
    from: manager,
    to: director,
    open: true,
    doc: "One of them: its plan and its code listing, or a piece of a file's source.",
  }),
  directorDecide: request("fl.v1.{fed}.director.{director}.review.decide.{manager}", m.decision, m.acknowledged, {
    from: manager,
    to: director,
    open: true,
    doc: "The Director's manager approves or rejects an experiment.",
  }),
  envoyReviews: request("fl.v1.{fed}.envoy.{envoy}.review.list.{manager}", m.nothing, m.reviewsReply, {
    from: manager,
    to: envoy,
    open: true,
    doc: "The experiments that wait for this envoy's manager to decide.",
  }),
  envoyReview: request("fl.v1.{fed}.envoy.{envoy}.review.show.{manager}", m.reviewQuery, m.reviewReply, {
    from: manager,
    to: envoy,
    open: true,
    doc: "One of them: its plan and its code listing, or a piece of a file's source.",
  }),
  envoyDecide: request("fl.v1.{fed}.envoy.{envoy}.review.decide.{manager}", m.decision, m.acknowledged, {
    from: manager,
    to: envoy,
    open: true,
    doc: "The envoy's manager approves or rejects an experiment.",
  }),
  envoyFails: request("fl.v1.{fed}.envoy.{envoy}.exp.{exp}.fail", m.envoyFailed, r.ordered, {
    from: envoy,
    to: theDirector,
    doc: "An envoy that takes part ends an experiment as failed, whatever its quorum.",
  }),
  reviewGiven: request("fl.v1.{fed}.envoy.{envoy}.exp.{exp}.review", m.nothing, m.reviewRecorded, {
    from: envoy,
    to: theDirector,
    doc: "What the Director has recorded of this envoy's review of an experiment.",
  }),
  metric: stream("fl.v1.{fed}.owner.{owner}.{exp}.metric.{origin}", m.metric, {
    from: [
      ["collaborator", "origin"],
      ["aggregator", "origin", "aggregator"],
    ],
    to: owner,
    open: true,
    doc: "One value of one metric. The Aggregator's origin is `aggregator`.",
  }),
  event: stream("fl.v1.{fed}.owner.{owner}.{exp}.event.{origin}", m.event, {
    from: [
      ["aggregator", "origin", "aggregator"],
      ["director", "origin", "director"],
    ],
    to: owner,
    open: true,
    doc: "Something happened to an experiment; `origin` is `director` or `aggregator`.",
  }),
  modelChunk: stream("fl.v1.{fed}.exp.{exp}.model.{epoch}.{round}.{index}", m.nothing, {
    from: aggregator,
    to: ["collaborator"],
    again: true,
    doc: "One frame of the model that enters a round (raw frame, not a message).",
  }),
  changeChunk: stream("fl.v1.{fed}.exp.{exp}.change.{epoch}.{round}.{index}", m.nothing, {
    from: aggregator,
    to: ["collaborator"],
    again: true,
    doc: "One frame of what that model differs by from the one before, compressed (raw frame, not a message).",
  }),
  stateChunk: stream("fl.v1.{fed}.exp.{exp}.state.{epoch}.{round}.{index}", m.nothing, {
    from: aggregator,
    to: aggregator,
    doc: "One frame of what lasts beside the model before a round (raw frame, not a message).",
  }),
  offer: request("fl.v1.{fed}.exp.{exp}.col.{collaborator}.offer", m.offer, m.verdict, {
    from: collaborator,
    to: aggregator,
    doc: "An update is ready. Answered when it has been taken or refused: this is the commit.",
  }),
  taskFailed: request("fl.v1.{fed}.exp.{exp}.col.{collaborator}.failed", m.taskFailed, m.acknowledged, {
    from: collaborator,
    to: aggregator,
    doc: "A task threw; no update comes from here in this round.",
  }),
  alive: publish("fl.v1.{fed}.exp.{exp}.col.{collaborator}.alive", m.alive, {
    from: collaborator,
    to: aggregator,
    doc: "The collaborator lives, and how far its task is. Each second and at each change.",
  }),
  pull: requestFrame("fl.v1.{fed}.exp.{exp}.agg.pull.{collaborator}", m.pull, {
    from: aggregator,
    to: collaborator,
    doc: "One credit: send this chunk of the update. Answered with a frame.",
  }),
  devices: request("fl.v1.{fed}.exp.{exp}.agg.devices", m.nothing, m.envoysReply, {
    from: aggregator,
    to: theDirector,
    doc: "An assigner of the plan's own wants to know the devices of this experiment's envoys. Answered with those envoys.",
  }),
  round: publish("fl.v1.{fed}.exp.{exp}.agg.round", m.roundNews, {
    from: aggregator,
    to: ["collaborator"],
    doc: "The round record has changed: the new one, once it is stored.",
  }),
  progress: publish("fl.v1.{fed}.owner.{owner}.{exp}.progress", m.progress, {
    from: aggregator,
    to: [owner, theDirector],
    open: true,
    doc: "What the Aggregator sees of its round.",
  }),
  aggregationBegin: request("fl.v1.{fed}.exp.{exp}.aggregation.{name}.begin", m.aggregationBegin, m.aggregationReply, {
    from: aggregator,
    to: aggregation,
    doc: "A remote aggregation actor starts a round; it pulls `global`, and `state` if it does not have it.",
  }),
  aggregationAccept: request(
    "fl.v1.{fed}.exp.{exp}.aggregation.{name}.accept",
    m.aggregationAccept,
    m.aggregationReply,
    {
      from: aggregator,
      to: aggregation,
      doc: "An update for it; it pulls `update`, then answers.",
    },
  ),
  aggregationFinish: request(
    "fl.v1.{fed}.exp.{exp}.aggregation.{name}.finish",
    m.aggregationFinish,
    m.aggregationReply,
    {
      from: aggregator,
      to: aggregation,
      doc: "Close the round; the aggregator pulls `next`, and `state` if there is any.",
    },
  ),
  aggregationGive: requestFrame("fl.v1.{fed}.exp.{exp}.aggregation.{name}.give", m.aggregationPull, {
    from: aggregator,
    to: aggregation,
    doc: "The aggregator pulls a chunk of the next model, or of the rule's state, from the actor.",
  }),
  aggregationTake: requestFrame("fl.v1.{fed}.aggregation.{name}.take.{exp}.{session}", m.aggregationPull, {
    from: aggregation,
    to: aggregator,
    doc: "The actor pulls a chunk of the global model, of an update or of the rule's state. Served while the session lasts.",
  }),
  report: request("fl.v1.{fed}.envoy.{envoy}.monitor.{name}", m.nothing, m.reportReply, {
    from: envoy,
    to: ["monitor", "name"],
    doc: "A remote device monitor is asked for a report.",
  }),
} as const;

/** Where owners give orders on their experiments. */
export type OrderPattern = (typeof subjects)[
  | "cancel"
  | "pause"
  | "resume"
  | "retry"
  | "priority"
  | "deadline"
  | "fail"
  | "remove"]["pattern"];

export type Bucket<K extends string, T> = {
  readonly name:
    | "fl-{fed}-experiments"
    | "fl-{fed}-envoys"
    | "fl-{fed}-assignments"
    | "fl-{fed}-rounds"
    | "fl-{fed}-snapshots";
  readonly key: K;
  readonly writer: Role;
  /** who may get values beside the Director's side, and the token of the key that is its own */
  readonly reader: Listener | null;
  /** where a new value is told once it is stored; its parameters are the key's */
  readonly news: Subject<string, { revision: number; record: T }, never> | null;
  readonly schema: z.ZodType<T>;
  readonly doc: string;
};
type AboutBucket<T> = Pick<Bucket<string, T>, "writer" | "doc"> & Partial<Pick<Bucket<string, T>, "reader" | "news">>;
const bucket = <const K extends string, T>(
  name: Bucket<K, T>["name"],
  key: K,
  schema: z.ZodType<T>,
  about: AboutBucket<T>,
): Bucket<K, T> => ({ reader: null, news: null, ...about, name, key, schema });

export const buckets = {
  experiments: bucket("fl-{fed}-experiments", "{exp}", m.experimentRecord, {
    writer: "director",
    doc: "Each experiment's state, failure and outcome.",
  }),
  envoys: bucket("fl-{fed}-envoys", "{envoy}", m.envoyRecord, {
    writer: "director",
    doc: "Registered envoys and their shards.",
  }),
  assignments: bucket("fl-{fed}-assignments", "{envoy}", m.assignmentRecord, {
    writer: "director",
    reader: envoy,
    news: subjects.assigned,
    doc: "What an envoy is to run now.",
  }),
  rounds: bucket("fl-{fed}-rounds", "{exp}", m.roundRecord, {
    writer: "aggregator",
    reader: ["collaborator"],
    news: subjects.round,
    doc: "The current round and its checkpoint.",
  }),
  snapshots: bucket("fl-{fed}-snapshots", "{role}.{name}", m.snapshot, {
    writer: "director",
    doc: "Persisted actor snapshots, with their owner.",
  }),
} as const;

type Stream = { readonly name: string; readonly subjects: readonly string[]; readonly doc: string; newest?: boolean };

export const streams = {
  submissions: { name: "FL-{fed}-SUBMISSIONS", subjects: [subjects.submit.pattern], doc: "Submitted experiments." },
  uploads: {
    name: "FL-{fed}-UPLOADS",
    subjects: [subjects.uploadChunk.pattern],
    newest: true,
    doc: "What submissions bring along, in chunks: of each subject the newest.",
  },
  metrics: {
    name: "FL-{fed}-METRICS",
    subjects: [subjects.metric.pattern],
    doc: "All metrics; any number of readers.",
  },
  events: { name: "FL-{fed}-EVENTS", subjects: [subjects.event.pattern], doc: "All events; any number of readers." },
  model: {
    name: "FL-{fed}-MODEL-{exp}",
    subjects: [subjects.modelChunk.pattern, subjects.changeChunk.pattern, subjects.stateChunk.pattern],
    doc: "The models of one experiment's rounds, in chunks.",
  },
} as const satisfies Record<string, Stream>;

export const consumers = {
  director: { durable: "director", stream: "submissions", doc: "The Director's place in the submissions." },
} as const;

export const shelves = {
  models: {
    name: "fl-{fed}-models",
    doc: "Kept and final models as safetensors: `{exp}.best`, `{exp}.last`, `{exp}.round-{n}`.",
  },
} as const;
/** The name of a kept round's model in the store of models. */
export const keptObject = (exp: string, round: number): string => `${exp}.round-${round}`;
