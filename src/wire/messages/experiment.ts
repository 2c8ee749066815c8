/** Submissions, the experiments they become, and what is left of them. M1–M3: src/wire/messages.ts. */
import { z } from "zod";
import { count, digest, failure, kept, name, time, wireError } from "./form.ts";

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
