/**
 * Submitting: the archive and the initial model under their digests, then the submission, then what the Director says to it.
 *
 * S1 Once `stored` the experiment will run, whatever happens to this program or to any Director (law L1).
 * S2 The Director's answer is known by the submission's place in its stream: two submissions of one name are told apart.
 * S3 Whom the plan names and nobody has ever registered as is told, not refused: that envoy may be started later.
 */
import { randomUUID } from "node:crypto";
import { type FlError, fromWire } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { type Plan, planDigest } from "../plan/plan.ts";
import { upload } from "../transfer/upload.ts";
import type { Submission } from "../wire/messages.ts";
import { subjects } from "../wire/table.ts";
import { token } from "../wire/template.ts";
import type { Federation } from "./federation.ts";
import type { PreparedExperiment } from "./prepare.ts";

/** how long a Director that answers may take over a submission before we stop waiting; it is stored all the same */
const VERDICT_MS = 15_000;

export type Submitted = {
  readonly experiment: string;
  /** its place in the stream of submissions */
  readonly seq: number;
  /** `stored`: no Director has said anything yet; it will be taken when one runs */
  readonly state: "accepted" | "refused" | "stored";
  /** why it was refused */
  readonly error?: FlError;
  /** S3 */
  readonly strangers: readonly Stranger[];
};
export type Stranger = {
  readonly name: string;
  /** the envoy that may be meant */
  readonly near?: string;
};

export type SubmitOptions = {
  /** weights to begin with: a safetensors file */
  readonly model?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** @throws FL_SUBJECT_TOKEN for a name that is not one token; the signal's reason */
export async function submit(
  federation: Federation,
  { name, plan, archive }: PreparedExperiment,
  { model, signal }: SubmitOptions = {},
): Promise<Submitted> {
  const { wire } = federation.access;
  const experiment = token(name, "experiment");
  const owner = federation.name;
  const submissions = await wire.journal("submissions");
  const payload: Submission = {
    ...{ v: 1, name: experiment, plan, plan_digest: planDigest(plan), archive: await upload(wire, owner, archive) },
    ...(model === undefined ? {} : { model: await upload(wire, owner, model) }),
  };
  signal?.throwIfAborted();
  const seq = await wire.append(subjects.submit, submissions, { owner }, payload, randomUUID());
  const strangers = await strangersIn(plan, federation);
  const stored = { experiment, seq, state: "stored", strangers } as const;
  if (!(await federation.directed())) return stored;

  const scope = AbortSignal.any([AbortSignal.timeout(VERDICT_MS), ...(signal === undefined ? [] : [signal])]);
  for await (const said of federation.access.holdings.told(experiment, scope)) {
    if (said.detail.seq !== seq) continue; // S2
    if (said.type === "experiment.accepted") return { ...stored, state: "accepted" };
    const refused = said.type === "experiment.refused" || said.type === "experiment.failed";
    if (refused && said.failure !== null) return { ...stored, state: "refused", error: fromWire(said.failure.error) };
  }
  signal?.throwIfAborted();
  return stored;
}

async function strangersIn(
  { collaborators }: Pick<Plan, "collaborators">,
  federation: Federation,
): Promise<Stranger[]> {
  if (collaborators === "all") return [];
  const registered = (await federation.shards()).map((shard) => shard.name);
  return collaborators
    .filter((name) => !registered.includes(name))
    .map((name) => {
      const near = nearest(
        name,
        registered.filter((r) => !collaborators.includes(r)),
      );
      return { name, ...(near === undefined ? {} : { near }) };
    });
}
