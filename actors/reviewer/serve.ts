/**
 * The docket on the bus: people list, look and decide from wherever they are (`entente review`).
 *
 * S1 What is shown is what the process holds and will compare with what runs, not what somebody else has stored.
 * S2 A file is shown in pieces that fit into a message, whatever its lines are.
 */
import { FlError } from "../../src/errors.ts";
import type {
  Acknowledged,
  GivenDecision,
  PendingReview,
  ReviewQuery,
  ReviewReply,
  ReviewsReply,
} from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import type { Docket, Pending } from "./docket.ts";

/** characters of a piece: at most four bytes each, well below a server's limit of a message */
const PIECE = 64 * 1024;

export type ReviewDesk = {
  readonly wire: Wire;
  readonly docket: Docket;
  readonly role: "director" | "envoy";
  /** the role's own */
  readonly name: string;
};

/** Returns what ends it. */
export function serveReviews({ wire, docket, role, name }: ReviewDesk): () => void {
  const list = (): ReviewsReply => ({ reviews: docket.list().map(pendingOf) });
  const show = ({ experiment, path, offset }: ReviewQuery): ReviewReply => {
    const pending = docket.get(experiment);
    return path === undefined ? detailOf(pending) : pieceOf(pending, path, offset);
  };
  const decide = (manager: string, { experiment, approved, reason, ...looked }: GivenDecision): Acknowledged => {
    const { plan_digest: planDigest, archive_digest: archiveDigest } = looked;
    docket.decide(experiment, { approved, reason, by: manager }, { planDigest, archiveDigest });
    wire.ports.log.info({ experiment, approved, by: manager }, "decided");
    return { ok: true };
  };
  const unlisted = (error: FlError): ReviewsReply => ({ reviews: [], error: error.toJSON() });
  const unseen = (error: FlError): ReviewReply => ({ error: error.toJSON() });
  const undone = (error: FlError): Acknowledged => ({ ok: false, error: error.toJSON() });
  const ends =
    role === "director"
      ? [
          wire.serve(subjects.directorReviews, { director: name }, list, unlisted),
          wire.serve(subjects.directorReview, { director: name }, (_, query) => show(query), unseen),
          wire.serve(subjects.directorDecide, { director: name }, ({ manager }, d) => decide(manager, d), undone),
        ]
      : [
          wire.serve(subjects.envoyReviews, { envoy: name }, list, unlisted),
          wire.serve(subjects.envoyReview, { envoy: name }, (_, query) => show(query), unseen),
          wire.serve(subjects.envoyDecide, { envoy: name }, ({ manager }, d) => decide(manager, d), undone),
        ];
  return () => {
    for (const end of ends) end();
  };
}

export function pendingOf({ request, since, deadlineAt }: Pending): PendingReview {
  const { experiment, owner, planDigest, archiveDigest, files, dependencies, collaborators } = request;
  return {
    ...{ experiment, owner, since, deadline_at: deadlineAt, plan_digest: planDigest, archive_digest: archiveDigest },
    ...{ files: files.length, bytes: files.reduce((sum, file) => sum + file.bytes, 0) },
    ...{ dependencies: { ...dependencies }, collaborators: [...collaborators] },
  };
}

const detailOf = (pending: Pending): ReviewReply => ({
  review: pendingOf(pending),
  plan: { ...pending.request.plan },
  listing: pending.request.files.map(({ text, ...file }) => ({ ...file, text: text !== null })),
});

/** S2 */
function pieceOf({ request }: Pending, path: string, offset: number): ReviewReply {
  const file = request.files.find((f) => f.path === path);
  if (file === undefined) throw new FlError("FL_NOT_FOUND", { reason: `there is no ${path} in the archive` });
  if (file.text === null) throw new FlError("FL_STATE", { reason: `${path} is no text that can be shown` });
  const whole = file.text.length <= offset + PIECE;
  const end = whole ? file.text.length : offset + PIECE - (isLead(file.text.charCodeAt(offset + PIECE - 1)) ? 1 : 0);
  return { text: file.text.slice(offset, end), next: whole ? null : end };
}

/** the first half of a character that is two */
const isLead = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
