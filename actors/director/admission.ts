/**
 * What can be known of an experiment before it runs: it is refused at once, rather than fail when its turn has come.
 *
 * AD1 Only what no waiting could mend is a reason: an envoy that is missing may come, and a model that is not there yet may be
 *     made by an experiment that is in the queue before.
 * AD2 What belongs to another is not there.
 */
import { FlError } from "../../src/errors.ts";
import { agreePlan } from "../../src/plan/agreed.ts";
import { uncovered } from "../../src/plan/assigning.ts";
import { type Plan, parsePlan } from "../../src/plan/plan.ts";
import { keptIn } from "../../src/transfer/kept.ts";
import { readUpload } from "../../src/transfer/upload.ts";
import type { Submission } from "../../src/wire/messages.ts";
import { buckets } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { LIMITS } from "../../src/workspace/archive.ts";
import { checkBuiltin } from "../aggregation/builtin.ts";
import type { Envoys } from "./envoys.ts";
import type { Records } from "./records.ts";
import { groupedIn } from "./wanted.ts";

export type Admission = {
  readonly wire: Wire;
  readonly records: Pick<Records, "get">;
  readonly envoys: Pick<Envoys, "names">;
};

/** @throws FL_PLAN_INVALID, FL_PLAN_DISAGREED, FL_PART_UNKNOWN, FL_ARCHIVE_INVALID, FL_NOT_FOUND, FL_DIGEST_MISMATCH */
export async function checkRunnable(admission: Admission, owner: string, submission: Submission): Promise<void> {
  const { wire, envoys } = admission;
  const { archive } = submission;
  const plan = parsePlan(submission.plan);
  agreePlan(plan, submission.plan_digest, `its owner ${owner}`);
  checkBuiltin(plan.aggregation);
  checkGroups(plan, envoys.names());
  if (plan.from !== undefined) await checkOrigin(admission, owner, submission, plan.from);
  if (archive.bytes > LIMITS.packedBytes) {
    throw new FlError("FL_ARCHIVE_INVALID", { reason: `larger than ${LIMITS.packedBytes} bytes` });
  }
  await readUpload(wire, owner, archive);
}

/** Where all take part, all are in a group. Who is in one and not registered is waited for (W2 of wanted.ts). */
function checkGroups(plan: Plan, registered: readonly string[]): void {
  const grouped = plan.collaborators === "all" ? groupedIn(plan) : undefined;
  const [missing] = uncovered(grouped ?? registered, registered);
  if (missing.length === 0) return;
  const reason = `assigner: everyone must be in a group, and ${missing.join(", ")} is in none; put them in one, or list the collaborators`;
  throw new FlError("FL_PLAN_INVALID", { reason });
}

async function checkOrigin(
  { wire, records }: Admission,
  owner: string,
  { name, model }: Submission,
  { experiment, round }: NonNullable<Plan["from"]>,
): Promise<void> {
  if (model !== undefined) {
    const reason = `a model came with the submission, and the plan begins from ${experiment}: give one of the two`;
    throw new FlError("FL_PLAN_INVALID", { reason });
  }
  if (experiment === name) throw new FlError("FL_PLAN_INVALID", { reason: "from: it cannot begin from itself" });
  const origin = await records.get(experiment);
  if (origin?.owner !== owner) {
    throw new FlError("FL_NOT_FOUND", { reason: `from: there is no experiment ${experiment}`, experiment }); // AD2
  }
  if (typeof round !== "number" || origin.state !== "finished") return; // AD1
  const row = await (await wire.table(buckets.rounds)).get({ exp: experiment });
  keptIn(experiment, row?.value.kept ?? [], round);
}
