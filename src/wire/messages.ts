/**
 * The payloads of the wire, as schemas and as the types they give. One schema a message; src/wire/table.ts says where each
 * travels. Bytes become a value of these types once, at the edge (src/wire/codec.ts), and are trusted after that.
 *
 * M1 Fields are snake_case on the wire and in these types alike: a snake_case name marks a value that travels or is stored.
 * M2 Everything that is stored carries `v`. Unknown fields are refused in what users send, and dropped in what roles send
 *    each other, so that a newer peer may say more.
 * M3 Times are milliseconds since the epoch, sizes are bytes.
 */
import { z } from "zod";
import { type Code, codes } from "../errors.ts";
import { tensorSpec } from "../tensor/layout.ts";
import { TOKEN } from "./template.ts";

export const name = z.string().regex(TOKEN, "letters, digits, '-' and '_' only, at most 64");
const time = z.number();
const digest = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in hexadecimal");
export const count = z.int().nonnegative();
const binary = z.custom<Uint8Array>((v) => v instanceof Uint8Array, "must be bytes");
/** bytes that outlive the message they came in */
const kept = binary.transform((bytes) => Uint8Array.prototype.slice.call(bytes) as Uint8Array);

export const wireError = z.object({
  /** a newer peer may say what this release has no word for (M2) */
  code: z.string().transform((c) => (Object.hasOwn(codes, c) ? (c as Code) : "FL_INTERNAL")),
  message: z.string(),
  detail: z.record(z.string(), z.unknown()).default({}),
  stack: z.string().optional(),
});
/** What went wrong, where: kept with the experiment and shown to its owner. */
export const failure = z.object({
  role: z.enum(["owner", "director", "envoy", "aggregator", "collaborator"]),
  name: z.string(),
  round: count.nullable(),
  error: wireError,
});
export type Failure = z.infer<typeof failure>;

export const nothing = z.object({});

// --- submissions and experiments -----------------------------------------------------------------------------------

/** Bytes that an owner has put into the stream of uploads, in chunks of 512 KiB under their digest. */
export const uploaded = z.strictObject({ digest, bytes: count });
export type Uploaded = z.infer<typeof uploaded>;

/** What a data scientist publishes to start an experiment. `plan` is checked by src/plan; see docs/plan.md. */
export const submission = z.strictObject({
  v: z.literal(1),
  name,
  plan: z.record(z.string(), z.unknown()),
  /** what its owner makes of the plan */
  plan_digest: digest.optional(),
  /** the workspace archive */
  archive: uploaded,
  /** initial model: a safetensors file; without it a collaborator makes one by the seed */
  model: uploaded.optional(),
  /** in the queue; without it the plan's */
  priority: z.int().optional(),
});
export type Submission = z.infer<typeof submission>;

export const experimentState = z.enum([
  "pending",
  "in_review",
  "in_progress",
  "paused",
  "finished",
  "failed",
  "rejected",
  "cancelled",
]);
export type ExperimentState = z.infer<typeof experimentState>;

/** An order that is being carried out: what is to become of an experiment in progress, or that it is to be removed. */
export const order = z.object({
  verb: z.enum(["pause", "cancel", "fail", "remove"]),
  /** of `fail` */
  failure: failure.nullable(),
});
export type Order = z.infer<typeof order>;

/** Where a model lies: chunks of 512 KiB at consecutive places of the experiment's MODEL stream, or a small one right here. */
export const modelRef = z.object({
  /** where the range begins */
  seq: count,
  /** 0 if the model is `data` */
  chunks: count,
  bytes: count,
  /** the epoch that stored it and the round it enters: tokens of its subject */
  epoch: count,
  round: count,
  layout: digest,
  /** the model itself, if it has at most 8 KiB: it is stored with whatever names it, and nowhere else */
  data: kept.optional(),
});
export type ModelRef = z.infer<typeof modelRef>;

/** A model as what it differs by from the one before, compressed as the plan says: for whoever holds that one to the bit. */
export const modelChange = z.object({
  /** the bytes, in frames of their own or right here */
  ref: modelRef,
  /** the model to which they are added, by where it was stored */
  base: z.object({ epoch: count, round: count }),
  /** of the model that comes of it */
  crc32: count,
});
export type ModelChange = z.infer<typeof modelChange>;

export const scored = z.object({ round: count, metric: z.string(), value: z.number(), model: modelRef });
export type Scored = z.infer<typeof scored>;

export const outcome = z.object({
  rounds: count,
  metrics: z.record(z.string(), z.number()),
  best: scored.nullable(),
  /** safetensors objects in the object store of models */
  objects: z.object({ last: z.string(), best: z.string() }),
});
export type Outcome = z.infer<typeof outcome>;

/** What a reviewer has decided about an experiment: the Director's, or that of an envoy that takes part. */
export const review = z.object({
  role: z.enum(["director", "envoy"]),
  name,
  /** a person, as the network or the terminal knows them, or the reviewer's own name */
  by: z.string(),
  at: time,
  plan_digest: digest,
  archive_digest: digest,
  approved: z.boolean(),
  reason: z.string().nullable(),
  /** what keeps it from running, if it was not approved */
  error: wireError.optional(),
});
export type Review = z.infer<typeof review>;

export const experimentRecord = z.object({
  v: z.literal(1),
  name,
  owner: name,
  /** of the submission in its stream: the order of the queue */
  seq: count,
  state: experimentState,
  order: order.nullable().default(null),
  /** counts the times it went into the queue: submitted, resumed, retried */
  attempt: count.default(1),
  priority: z.int().default(0),
  /** it was paused, and goes before the others of its priority */
  resumed: z.boolean().default(false),
  /** this attempt starts over rather than from the last checkpoint */
  fresh: z.boolean().default(false),
  submission,
  plan_digest: digest,
  rounds: count,
  /** who takes part; empty until it starts */
  collaborators: z.array(name),
  /** in the order in which they were recorded */
  reviews: z.array(review).default([]),
  submitted_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  /** how long it may take from its start, and when it fails if it has not ended by then */
  limit_ms: count.nullable().default(null),
  deadline_at: time.nullable().default(null),
  failure: failure.nullable(),
  outcome: outcome.nullable(),
});
export type ExperimentRecord = z.infer<typeof experimentRecord>;

// --- rounds ---------------------------------------------------------------------------------------------------------

/**
 * The current state of an experiment's rounds: written by its Aggregator with compare-and-set once per round, watched by
 * its collaborators. It is also the checkpoint: whoever holds it can go on.
 * Round 0 exists only where no initial model was given: its one collaborator builds the model and offers it.
 */
export const roundRecord = z.object({
  v: z.literal(1),
  experiment: name,
  /** of the experiment that this belongs to: the ending of an earlier one is none of a later */
  attempt: count.default(1),
  /** counts the Aggregator processes that have owned this experiment; a higher one fences the lower */
  epoch: count,
  /** 1 to the plan's rounds; 0 makes the model; one past the last rates the final model */
  round: count,
  /** rounds of training that are in the model */
  trained: count,
  state: z.enum(["open", "finished", "failed", "cancelled"]),
  /** labels of the plan's tasks, in order, for each collaborator of this round */
  assigned: z.record(z.string(), z.array(z.string())),
  /** answers of them that make the round count */
  quorum: count,
  opened_at: time,
  deadline_at: time.nullable(),
  /** null in round 0 */
  model: modelRef.nullable(),
  /** the same model, for whoever holds the one before; there only where the plan compresses models and it is worth it */
  change: modelChange.optional(),
  specs: z.array(tensorSpec).nullable(),
  best: scored.nullable(),
  /** metrics of the last closed round, averaged over its collaborators */
  metrics: z.record(z.string(), z.number()),
  /** of the metric that the plan's `stop` names: its best value, and the rounds since */
  plateau: z.object({ value: z.number(), rounds: count }).nullable(),
  /** rounds whose models lie in the object store of models as `{exp}.round-{n}` */
  kept: z.array(count),
  /** what lasts beside the model (`roundState`), if anything does */
  state_ref: modelRef.nullable(),
  failure: failure.nullable(),
  outcome: outcome.nullable(),
});
export type RoundRecord = z.infer<typeof roundRecord>;
/** Said when it is stored. Whoever misses it finds the record in its bucket; a lower revision is an older record. */
export const roundNews = z.object({ revision: count, record: roundRecord });

/** A closed round, as parts of a user's own are told of it. */
export const pastRound = z.object({
  round: count,
  assigned: z.record(z.string(), z.array(z.string())),
  /** whose answer was in when the round closed, who had failed, and who had done neither */
  answered: z.array(name),
  failed: z.array(name),
  late: z.array(name),
  metrics: z.record(z.string(), z.number()),
  /** each collaborator's own */
  measured: z.record(z.string(), z.record(z.string(), z.number())),
  seconds: z.number(),
});
export type PastRound = z.infer<typeof pastRound>;

/** In how many rounds a collaborator was asked, and what came of it. */
export const standing = z.object({ asked: count, answered: count, failed: count, late: count });
export type Standing = z.infer<typeof standing>;

/** What lasts from round to round beside the model: stored in frames on the MODEL stream, or in the reference to it. */
export const roundState = z.object({
  v: z.literal(1),
  /** of the aggregation's own */
  aggregation: kept.nullable(),
  /** what compression has left out of the model so far, f32; only with error feedback */
  residual: kept.optional(),
  /** the newest closed rounds, oldest first; empty unless a part asks for them */
  past: z.array(pastRound),
  standings: z.record(z.string(), standing),
});
export type RoundState = z.infer<typeof roundState>;

export const metricsOfTask = z.object({ task: z.string(), values: z.record(z.string(), z.number()) });
export type MetricsOfTask = z.infer<typeof metricsOfTask>;

/** Collaborator → Aggregator: an update is ready. Answered by its verdict, once the aggregator has pulled the chunks. */
export const offer = z.object({
  round: count,
  epoch: count,
  /** of this update in the average: samples trained on, or 1 */
  weight: z.number().positive().finite(),
  metrics: z.array(metricsOfTask),
  bytes: count,
  layout: digest,
  /** in round 0 only */
  specs: z.array(tensorSpec).optional(),
  /** the one frame of an update that fits in it: nothing is pulled then */
  frame: binary.optional(),
});
export type Offer = z.infer<typeof offer>;

export const verdict = z.object({
  verdict: z.enum([
    "accepted",
    /** this collaborator's update of this round is in already */
    "duplicate",
    /** the round has closed: drop the update */
    "late",
    /** the update itself is not acceptable; `error` says why */
    "refused",
    /** the pull broke off: offer again */
    "again",
  ]),
  error: wireError.optional(),
});
export type Verdict = z.infer<typeof verdict>;

/** Aggregator → Collaborator: one credit. The answer is the frame (src/tensor/frame.ts), not a message. */
export const pull = z.object({ round: count, index: count });
export type Pull = z.infer<typeof pull>;

/** Collaborator → all, each second and at each change: that it lives, and how far it is. Two different things. */
export const alive = z.object({
  round: count,
  /** preparing, waiting, fetching, offering, failed, or the label of the running task */
  doing: z.string(),
  done: count,
  total: count,
  /** of its training split, once it is loaded */
  samples: count.optional(),
});
export type Alive = z.infer<typeof alive>;

/** A task threw: this collaborator will not offer an update in this round. */
export const taskFailed = z.object({ round: count, epoch: count, error: wireError });
export type TaskFailed = z.infer<typeof taskFailed>;

export const peerState = z.enum(["absent", "resting", "working", "offering", "accepted", "failed", "silent"]);
export type PeerState = z.infer<typeof peerState>;

/** Aggregator → all: what it sees of its round, a few times a second while something changes. */
export const progress = z.object({
  round: count,
  rounds: count,
  epoch: count,
  state: z.string(),
  quorum: count,
  deadline_at: time.nullable(),
  /** a part elsewhere that does not answer, or is long at work: `nats:<name>`, as the plan names it */
  waiting_for: z.string().nullable(),
  peers: z.array(
    z.object({
      name,
      state: peerState,
      /** as in `alive`; empty until it says something in this round */
      doing: z.string(),
      done: count,
      total: count,
      /** bytes of its update that are here */
      bytes: count,
      seen_at: time.nullable(),
    }),
  ),
});
export type Progress = z.infer<typeof progress>;

export const metric = z.object({
  v: z.literal(1),
  experiment: name,
  round: count,
  /** a collaborator's name, or `aggregator` for the weighted mean over the round's collaborators */
  origin: name,
  /** the task's label in the plan */
  task: z.string(),
  metric: z.string(),
  value: z.number(),
  at: time,
});
export type Metric = z.infer<typeof metric>;

export const event = z.object({
  v: z.literal(1),
  experiment: name,
  type: z.enum([
    "experiment.accepted",
    "experiment.refused",
    "experiment.waiting",
    "experiment.started",
    "experiment.paused",
    "experiment.resumed",
    "experiment.retried",
    "experiment.finished",
    "experiment.failed",
    "experiment.rejected",
    "experiment.cancelled",
    "aggregator.restarted",
    "round.closed",
    "collaborator.joined",
    "collaborator.lost",
    "collaborator.returned",
    "collaborator.failed",
    "update.refused",
  ]),
  origin: name,
  round: count.nullable(),
  at: time,
  detail: z.record(z.string(), z.unknown()),
  failure: failure.nullable(),
});
export type Event = z.infer<typeof event>;

// --- envoys ---------------------------------------------------------------------------------------------------------

export const shape = z.array(z.int().positive());
export const shardInfo = z.object({
  v: z.literal(1),
  /** which process it is: two of one name are told apart by it */
  instance: name.optional(),
  description: z.string(),
  sample_shape: shape,
  target_shape: shape,
});
export type ShardInfo = z.infer<typeof shardInfo>;

export const registered = z.object({
  accepted: z.boolean(),
  period_ms: z.int().positive(),
  error: wireError.optional(),
});
export type Registered = z.infer<typeof registered>;

/** What a device monitor reports. Fractions are 0 to 1. */
export const deviceReport = z.object({
  at: time,
  cpu: z.object({ count: z.int(), load: z.number(), model: z.string() }),
  memory: z.object({ total: count, free: count }),
  /** the file system that workspaces are opened in; null if that is not known */
  disk: z.object({ total: count, free: count }).nullable().default(null),
  gpus: z.array(
    z.object({
      index: count,
      name: z.string(),
      memory_total: count,
      memory_used: count,
      utilisation: z.number(),
      driver: z.string(),
      cuda: z.string().default(""),
    }),
  ),
});
export type DeviceReport = z.infer<typeof deviceReport>;

export const running = z.object({
  experiment: name,
  state: z.enum(["reviewing", "starting", "running", "restarting", "failed"]),
});

export const heartbeat = z.object({
  v: z.literal(1),
  instance: name.optional(),
  report: deviceReport.nullable(),
  running: z.array(running),
});
export type Heartbeat = z.infer<typeof heartbeat>;

/**
 * `known: false` asks the envoy to register again, unless there is an `error`: to a Director with an empty store, or where
 * another has its name.
 */
export const heartbeatReply = z.object({
  known: z.boolean(),
  period_ms: z.int().positive(),
  error: wireError.optional(),
});
export type HeartbeatReply = z.infer<typeof heartbeatReply>;

/** What the Director keeps of an envoy. Heartbeats stay in its memory. */
export const envoyRecord = z.object({ ...shardInfo.shape, name, registered_at: time });
export type EnvoyRecord = z.infer<typeof envoyRecord>;

/**
 * What an envoy is to run now. An experiment that is not in the list any more has ended or is paused: stop its collaborator.
 * One of another attempt is run anew.
 */
export const assignmentRecord = z.object({
  v: z.literal(1),
  experiments: z.array(
    z.object({
      name,
      owner: name,
      attempt: count.default(1),
      archive: uploaded,
      plan: z.record(z.string(), z.unknown()),
      plan_digest: digest.optional(),
      /** `review`: decide about it and tell the Director; `run`: all have approved */
      phase: z.enum(["review", "run"]).default("run"),
    }),
  ),
});
export type AssignmentRecord = z.infer<typeof assignmentRecord>;
/** Said when it is stored; see roundNews. */
export const assignedNews = z.object({ revision: count, record: assignmentRecord });
export const archivePull = z.object({ experiment: name, index: count });

/** What the Director has recorded of an envoy's reviews. */
export const reviewRecorded = z.object({ review: review.nullable(), error: wireError.optional() });

/** The Aggregator is to end its experiment: as failed, if that is given, else as cancelled. */
export const ending = z.object({ failure: failure.nullable().default(null) });

/** An envoy cannot run an experiment's collaborator. */
export const envoyFailed = z.object({ error: wireError });
export type EnvoyFailed = z.infer<typeof envoyFailed>;

// --- reviews by people ------------------------------------------------------------------------------------------------

/** An experiment that waits for a person's decision. */
export const pendingReview = z.object({
  experiment: name,
  owner: name,
  since: time,
  deadline_at: time.nullable(),
  plan_digest: digest,
  archive_digest: digest,
  files: count,
  bytes: count,
  dependencies: z.record(z.string(), z.string()),
  collaborators: z.array(name),
});
export type PendingReview = z.infer<typeof pendingReview>;
export const reviewsReply = z.object({ reviews: z.array(pendingReview), error: wireError.optional() });
export type ReviewsReply = z.infer<typeof reviewsReply>;
export const reviewQuery = z.strictObject({
  experiment: name,
  /** for a piece of this file's source instead */
  path: z.string().max(255).optional(),
  offset: count.default(0),
});
export type ReviewQuery = z.infer<typeof reviewQuery>;
export const archivedFile = z.object({ path: z.string(), bytes: count, digest, text: z.boolean() });
export type ArchiveEntry = z.infer<typeof archivedFile>;
export const reviewReply = z.object({
  review: pendingReview.optional(),
  plan: z.record(z.string(), z.unknown()).optional(),
  listing: z.array(archivedFile).optional(),
  text: z.string().optional(),
  next: count.nullable().optional(),
  error: wireError.optional(),
});
export type ReviewReply = z.infer<typeof reviewReply>;
export const decision = z.strictObject({
  experiment: name,
  approved: z.boolean(),
  reason: z.string().max(4_096).optional(),
  /** what was looked at: a decision about anything else is refused */
  plan_digest: digest.optional(),
  archive_digest: digest.optional(),
});
export type GivenDecision = z.infer<typeof decision>;

/** A persisted actor: which machine, which process owns it, and XState's snapshot. */
export const snapshot = z.object({ v: z.literal(1), machine: z.string(), owner: z.string(), snapshot: z.unknown() });
export type SnapshotRecord = z.infer<typeof snapshot>;

// --- requests to the Director ---------------------------------------------------------------------------------------

/** Why an experiment has not started: what runs before it, or who is not there. */
export const waiting = z.object({
  /** in words that go on from "it waits for" */
  reason: z.string(),
  for: z.array(name),
  ahead: z.array(name),
});
export type Waiting = z.infer<typeof waiting>;

export const which = z.strictObject({ experiment: name });
export const status = z.object({
  experiment: experimentRecord,
  progress: progress.nullable(),
  waiting: waiting.nullable().default(null),
  /** its round record; null before the first round */
  round: roundRecord.nullable().default(null),
});
export type Status = z.infer<typeof status>;
export const statusReply = z.object({ status: status.optional(), error: wireError.optional() });
export const acknowledged = z.object({ ok: z.boolean(), error: wireError.optional() });
export type Acknowledged = z.infer<typeof acknowledged>;

export const envoyStatus = z.object({
  name,
  online: z.boolean(),
  description: z.string(),
  sample_shape: shape,
  target_shape: shape,
  registered_at: time,
  seen_at: time.nullable(),
  /** for how long a sign of life counts */
  valid_ms: count,
  /** what it is at, if anything; another owner's experiment is null here */
  running: z.array(z.object({ experiment: name.nullable(), state: running.shape.state })),
  report: deviceReport.nullable(),
});
export type EnvoyStatus = z.infer<typeof envoyStatus>;
export const envoysReply = z.object({ envoys: z.array(envoyStatus), error: wireError.optional() });

/** `round` is one that the plan's `checkpoints` have kept, by its number. */
export const modelQuery = z.strictObject({
  experiment: name,
  which: z.enum(["best", "last", "round"]),
  round: count.optional(),
});
export type ModelQuery = z.infer<typeof modelQuery>;
/** Which model it is: a file once the experiment has ended, or if its round is kept, what entered a round before. Its chunks are given by `give`. */
export const modelReply = z.object({
  object: z.string().optional(),
  ref: modelRef.optional(),
  specs: z.array(tensorSpec).optional(),
  /** rounds of training that are in it */
  rounds: count.optional(),
  archive: uploaded.optional(),
  plan: z.record(z.string(), z.unknown()).optional(),
  error: wireError.optional(),
});
export type ModelReply = z.infer<typeof modelReply>;
/**
 * `best` and `last` are files of an experiment that has ended, `kept` is that of a kept `round`; `round` is the model that
 * `epoch` stored for that round.
 */
export const give = z.strictObject({
  experiment: name,
  what: z.enum(["archive", "best", "last", "kept", "round"]),
  epoch: count.optional(),
  round: count.optional(),
  index: count,
});
export type Give = z.infer<typeof give>;

/** From a place in the stream on. With `wait_ms` the answer waits that long for something new. */
export const readQuery = z.strictObject({
  experiment: name,
  from: count.default(0),
  wait_ms: z.int().min(0).max(30_000).default(0),
});
const page = {
  /** where to go on reading */
  next: count,
  /** there is more already */
  more: z.boolean(),
  /** the experiment has ended, and this was all */
  over: z.boolean(),
  error: wireError.optional(),
};
export const metricsPage = z.object({ metrics: z.array(z.object({ ...metric.shape, seq: count })), ...page });
export const eventsPage = z.object({ events: z.array(z.object({ ...event.shape, seq: count })), ...page });

// --- swappable parts on the bus -------------------------------------------------------------------------------------

/**
 * Aggregator → actor: a round begins. `session` names the round as this Aggregator process began it, and all that belongs to
 * the round carries it: a restarted actor does not know it, and a restarted Aggregator makes another.
 */
export const aggregationBegin = z.object({
  session: name,
  /** the session whose `finish` left the state this round starts from: an actor that still rests there restores nothing */
  after: name.nullable(),
  round: count,
  options: z.record(z.string(), z.unknown()),
  specs: z.array(tensorSpec),
  /** an upper bound of one update's weight */
  weight_bound: z.number().positive(),
  /** an upper bound of the number of updates */
  updates_bound: count.optional(),
  /** of the rule's own state, to be pulled as `state`; null if it has none */
  state_bytes: count.nullable(),
});
export type AggregationBegin = z.infer<typeof aggregationBegin>;
/** The update is the size of the model; the actor pulls it as `update` of this collaborator. */
export const aggregationAccept = z.object({ session: name, collaborator: name, weight: z.number() });
export type AggregationAccept = z.infer<typeof aggregationAccept>;
export const aggregationFinish = z.object({ session: name });
export const aggregationReply = z.object({
  /** `working`: it takes longer; ask again, with the same words */
  outcome: z.enum(["done", "working", "failed"]),
  /** after `finish`: of the rule's own state, to be pulled as `state`; null if it has none */
  state_bytes: count.nullable().optional(),
  error: wireError.optional(),
});
export type AggregationReply = z.infer<typeof aggregationReply>;
/**
 * One credit, in either direction: the actor pulls `global`, `update` and `state`, the aggregator `next` and `state`.
 * `probe` is an empty frame and asks only whether the session still lasts. No bytes at all: there is no such thing (any more).
 */
export const aggregationPull = z.object({
  session: name,
  transfer: z.enum(["global", "update", "state", "next", "probe"]),
  /** of an `update` */
  collaborator: name.optional(),
  index: count,
});
export type AggregationPull = z.infer<typeof aggregationPull>;
export const reportReply = z.object({ report: deviceReport.optional(), error: wireError.optional() });
export type ReportReply = z.infer<typeof reportReply>;
