/** What a reviewer is shown of a submission: fetched, verified, read, and run nowhere. */
import { FlError } from "../../src/errors.ts";
import type { ReviewRequest } from "../../src/parts/reviewer.ts";
import { parsePlan, planDigest } from "../../src/plan/plan.ts";
import { readUpload } from "../../src/transfer/upload.ts";
import type { Submission } from "../../src/wire/messages.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { readArchive } from "../../src/workspace/archive.ts";
import { dependenciesOf } from "../../src/workspace/dependencies.ts";
import { listing } from "../../src/workspace/listing.ts";
import { requirementsAsked } from "../../src/workspace/requirements.ts";
import { fetchArchive } from "../archive.ts";

export type Matter = Pick<ReviewRequest, "experiment" | "owner" | "role" | "name" | "collaborators"> &
  Pick<Submission, "archive" | "plan">;

/** @throws FL_PLAN_INVALID, FL_NOT_FOUND, FL_DIGEST_MISMATCH, FL_ARCHIVE_INVALID */
export async function requestOf(wire: Wire, matter: Matter, signal: AbortSignal): Promise<ReviewRequest> {
  const { experiment, owner, role, name, collaborators, archive } = matter;
  const plan = parsePlan(matter.plan);
  const bytes =
    role === "director"
      ? await readUpload(wire, owner, archive)
      : await fetchArchive(wire, { envoy: name, experiment, archive }, signal);
  const contents = await readArchive(bytes, archive.digest);
  const { files } = contents;
  return {
    ...{ experiment, owner, role, name, collaborators },
    ...{ plan, planDigest: planDigest(plan), archiveDigest: archive.digest },
    ...{ files: listing(files), dependencies: { ...dependenciesOf(files), ...requirementsAsked(contents) } },
  };
}

/** The digest of a plan as it is told; one that is no plan has one too, as something has to be said of it. */
export function digestOf(written: Record<string, unknown>): string {
  try {
    return planDigest(parsePlan(written));
  } catch (e) {
    if (e instanceof FlError) return planDigest(written as never);
    throw e;
  }
}
