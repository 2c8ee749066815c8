/** From a question to a verdict: VE1 and VE2 of actors/reviewer/review.ts, RV2 of src/parts/reviewer.ts. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { limitOf, reviewConfig } from "../../actors/reviewer/config.ts";
import { Docket } from "../../actors/reviewer/docket.ts";
import { resolveReviewer } from "../../actors/reviewer/resolve.ts";
import { given, reviewOf } from "../../actors/reviewer/review.ts";
import { type Code, FlError } from "../../src/errors.ts";
import { checkReviewer, defineReviewer, type ReviewerSpec } from "../../src/parts/reviewer.ts";
import { manualClock } from "../support/clock.ts";
import { quiet } from "../support/ports.ts";
import { ARCHIVE, answering, PLAN, requested } from "../support/review.ts";
import { temporaryDir } from "../support/server.ts";

const clock = manualClock();
const never = new AbortController().signal;
const docket = new Docket(clock, null);
const asked = { limitMs: null, clock };
const codeOf = async (promise: Promise<unknown>): Promise<Code | undefined> =>
  promise.then(
    () => undefined,
    (e: unknown) => (e instanceof FlError ? e.code : undefined),
  );

test("a verdict says what it is about, who gave it and when (VE2)", async (t) => {
  const at = clock.now();
  const about = { role: "envoy", name: "north", at, plan_digest: PLAN, archive_digest: ARCHIVE } as const;
  const yes = await reviewOf(requested, { ...asked, reviewer: answering(() => ({ approved: true })) }, never);
  t.deepEqual(yes, { ...about, by: "mine", approved: true, reason: null });
  const bob = answering(() => ({ approved: false, by: "bob", reason: "it phones home" }));
  const no = await reviewOf(requested, { ...asked, reviewer: bob }, never);
  t.like(no, { ...about, by: "bob", approved: false, reason: "it phones home" });
  t.like(no.error, {
    code: "FL_REJECTED",
    message: "the experiment was rejected in review: it phones home",
    detail: { reason: "it phones home", role: "envoy", name: "north", by: "bob" },
  });
  t.is(no.error?.stack, undefined);
});

test("no answer within the limit is a rejection with its code, and the reviewer hears of it (VE1)", async (t) => {
  let heard: AbortSignal | undefined;
  const reviewer = {
    name: "slow",
    review: (_: unknown, signal: AbortSignal) => {
      heard = signal;
      return new Promise<never>(() => {});
    },
  };
  const verdict = reviewOf(requested, { reviewer, clock, limitMs: 90_000 }, never);
  await quiet();
  clock.advance(90_000);
  t.like(await verdict, { approved: false, by: "slow", error: { code: "FL_REVIEW_LIMIT" } });
  t.regex((await verdict).reason!, /envoy north has not decided within 90 s/);
  t.true(heard?.aborted);
  t.is(clock.waiting, 0);
});

for (const [what, review, says] of [
  ["throws", () => Promise.reject(new Error("no policy here")), /reviewer odd: no policy here/],
  ["answers yes", () => "yes", /decision of reviewer odd/],
  ["answers with something like approval", () => ({ approved: 1 }), /approved/],
  ["answers nothing", () => undefined, /decision of reviewer odd/],
] as const) {
  test(`a reviewer that ${what} has not approved (RV2)`, async (t) => {
    const reviewer = defineReviewer({ name: "odd", review: review as never }).create();
    const verdict = await reviewOf(requested, { ...asked, reviewer }, never);
    t.like(verdict, { approved: false, error: { code: "FL_PART_FAILED" } });
    t.regex(verdict.reason!, says);
  });
}

test("a review that nobody needs any more is no verdict", async (t) => {
  const ends = new AbortController();
  const reviewer = answering(() => new Promise(() => {}));
  const reviewing = reviewOf(requested, { ...asked, reviewer }, ends.signal);
  ends.abort(new FlError("FL_CLOSED"));
  t.is(await codeOf(reviewing), "FL_CLOSED");
});

test("the newest verdict on the same plan and archive is found, and none on another (VE2)", async (t) => {
  const verdict = (by: string) =>
    reviewOf(requested, { ...asked, reviewer: answering(() => ({ approved: true, by })) }, never);
  const reviews = [await verdict("ann"), await verdict("bob")];
  t.is(given(reviews, requested)?.by, "bob");
  t.is(given(reviews, { ...requested, archiveDigest: "0".repeat(64) }), undefined);
  t.is(given(reviews, { ...requested, planDigest: "0".repeat(64) }), undefined);
  t.is(given(reviews, { ...requested, name: "south" }), undefined);
  t.is(given(reviews, { ...requested, role: "director" }), undefined);
});

test("the built-in ones by their names; a name that is none is told the nearest", async (t) => {
  const auto = await resolveReviewer(reviewConfig.parse("auto"), docket);
  t.deepEqual(await auto.review(requested, never), { approved: true });
  t.is((await resolveReviewer(reviewConfig.parse("prompt"), docket)).name, "prompt");
  const e = await t.throwsAsync(resolveReviewer(reviewConfig.parse("promt"), docket), { instanceOf: FlError });
  t.regex(e!.message, /did you mean prompt\?/);
  t.is(await codeOf(resolveReviewer(reviewConfig.parse("nats:rev"), docket)), "FL_PART_UNKNOWN");
  t.is(await codeOf(resolveReviewer(reviewConfig.parse({ use: "auto", options: { a: 1 } }), docket)), "FL_PART_FAILED");
});

test("a policy is a module with options of its own; one that is none is refused", async (t) => {
  const dir = await temporaryDir(t);
  await writeFile(
    join(dir, "policy.ts"),
    `import { defineReviewer, z } from "entente";
     export default defineReviewer({ name: "small", options: z.strictObject({ files: z.number() }),
       review: ({ files, owner }, options) =>
         files.length <= options.files ? { approved: true } : { approved: false, reason: owner + " sends too much" } });`,
  );
  await writeFile(join(dir, "other.ts"), "export default { name: 1 };");
  const of = (use: string, files: unknown) => reviewConfig.parse({ use, from: dir, options: { files } });
  const policy = await resolveReviewer(of("./policy.ts", 1), docket);
  t.deepEqual(await policy.review(requested, never), { approved: true });
  const strict = await resolveReviewer(of("./policy.ts", 0), docket);
  t.deepEqual(await strict.review(requested, never), { approved: false, reason: "ann sends too much" });
  t.is(await codeOf(resolveReviewer(of("./policy.ts", "many"), docket)), "FL_PART_FAILED");
  t.is(await codeOf(resolveReviewer(of("./other.ts", 1), docket)), "FL_PART_FAILED");
  t.is(await codeOf(resolveReviewer(of("./none.ts", 1), docket)), "FL_PART_FAILED");
});

test("what is no reviewer is refused when it is defined", (t) => {
  for (const wrong of [undefined, {}, { name: "a" }, { name: "", review: () => ({ approved: true }) }]) {
    const e = t.throws(() => defineReviewer(wrong as ReviewerSpec<unknown>), { instanceOf: FlError });
    t.is(e?.code, "FL_PART_FAILED");
  }
  t.throws(() => checkReviewer(null, "./a.ts"), { instanceOf: FlError, message: /\.\/a\.ts is no reviewer/ });
});

test("a policy has a minute unless it is told otherwise, a person all the time there is", (t) => {
  t.deepEqual(
    ["prompt", "auto", { use: "prompt", limit: "2h" }, { use: "./a.ts", limit: null }, {}].map((c) =>
      limitOf(reviewConfig.parse(c)),
    ),
    [null, 60_000, 7_200_000, null, 60_000],
  );
  t.like(reviewConfig.parse(undefined), { use: "auto", options: {} });
  t.false(reviewConfig.safeParse({ use: "auto", limit: "soon" }).success);
});
