/** Reviews by people: what waits for them, what they are shown, and what they decide. M1–M3: src/wire/messages.ts. */
import { z } from "zod";
import { count, digest, name, time, wireError } from "./form.ts";

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
