/** What is reviewed in tests: a small archive, its submission, and reviewers that answer as they are told. */

import type { Case } from "../../actors/reviewer/consult.ts";
import type { Matter } from "../../actors/reviewer/request.ts";
import type { Decision, Reviewer, ReviewRequest } from "../../src/parts/reviewer.ts";
import { parsePlan, planDigest } from "../../src/plan/plan.ts";
import { encodeFrame } from "../../src/tensor/frame.ts";
import type { Submission } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { packArchive, sha256 } from "../../src/workspace/archive.ts";

export const SOURCE = "export default { model: () => {} };\n";
const archive = packArchive(
  new Map([
    ["workspace.mjs", Buffer.from(SOURCE)],
    ["package.json", Buffer.from(`{ "dependencies": { "lib": "^1" } }`)],
  ]),
);
export const ARCHIVE = sha256(archive);
const plan = { version: 1, rounds: 3 };
export const PLAN = planDigest(parsePlan(plan));

export const submission = (name = "x"): Submission => ({
  ...{ v: 1, name, plan },
  archive: { digest: ARCHIVE, bytes: archive.length },
});

/** Puts bytes where ann has uploaded the archive, and gives them to envoys as a Director does. */
export async function shelve(wire: Wire, bytes: Uint8Array = archive, digest = ARCHIVE): Promise<void> {
  const subject = wire.subject(subjects.uploadChunk, { owner: "ann", digest, index: 0 });
  await (await wire.journal("uploads")).append(subject, bytes);
  const none = (): Uint8Array => new Uint8Array(0);
  wire.serve(subjects.archive, {}, (_, { index }) => encodeFrame(bytes, index), none);
}

export const matter = (role: "director" | "envoy" = "envoy", name = "north"): Matter => ({
  ...{ experiment: "x", owner: "ann", role, name, collaborators: ["north", "south"] },
  ...{ archive: submission().archive, plan },
});
export const caseOf = (role: "director" | "envoy" = "envoy", name = "north"): Case => ({
  ...matter(role, name),
  ...{ planDigest: PLAN, archiveDigest: ARCHIVE },
});

export const requested: ReviewRequest = {
  ...{ experiment: "x", owner: "ann", role: "envoy", name: "north", collaborators: ["north"] },
  ...{ plan: parsePlan(plan), planDigest: PLAN, archiveDigest: ARCHIVE, dependencies: {} },
  files: [{ path: "workspace.mjs", bytes: SOURCE.length, digest: sha256(Buffer.from(SOURCE)), text: SOURCE }],
};

export const answering = (answer: (request: ReviewRequest) => Decision | Promise<Decision>): Reviewer => ({
  name: "mine",
  review: async (request) => answer(request),
});
