/** Decisions of people: K1 and K2 of actors/reviewer/docket.ts, S1 and S2 of actors/reviewer/serve.ts, CO1 and CO2 of consult.ts. */
import test from "ava";
import type { FromChild, FromParent } from "../../actors/child/fork.ts";
import { reviewConfig } from "../../actors/reviewer/config.ts";
import { consult } from "../../actors/reviewer/consult.ts";
import { FlError } from "../../src/errors.ts";
import { subjects } from "../../src/wire/table.ts";
import { packArchive, sha256 } from "../../src/workspace/archive.ts";
import { manualClock } from "../support/clock.ts";
import { gate } from "../support/experiment.ts";
import { testWorld } from "../support/ports.ts";
import { ARCHIVE, caseOf, PLAN, SOURCE, shelve } from "../support/review.ts";

const timeoutMs = 1_000;

async function consulting(
  config: unknown = "prompt",
  { role = "envoy", stored = [] }: { role?: "director" | "envoy"; stored?: [bytes?: Uint8Array, digest?: string] } = {},
) {
  const clock = manualClock();
  const world = testWorld({ clock });
  const wire = world.wire("role");
  const told: FromChild[] = [];
  let hear = (_: FromParent): void => {};
  const waiting = gate();
  const parent = {
    tell: (message: FromChild) => {
      told.push(message);
      if (message.type === "asking") waiting.open();
    },
    hear: (listener: typeof hear) => {
      hear = listener;
    },
  };
  const consultation = await consult(reviewConfig.parse(config), { wire, role, name: "north", parent });
  await shelve(wire, ...stored);
  const person = world.wire("person");
  const place = { envoy: "north", manager: "bob" };
  const ask = {
    list: () => person.request(subjects.envoyReviews, place, {}, { timeoutMs }),
    show: (path?: string, offset = 0) => {
      const query = { experiment: "x", offset, ...(path === undefined ? {} : { path }) };
      return person.request(subjects.envoyReview, place, query, { timeoutMs });
    },
    decide: (approved: boolean, more: Record<string, unknown> = {}) =>
      person.request(subjects.envoyDecide, place, { experiment: "x", approved, ...more }, { timeoutMs }),
  };
  return {
    clock,
    world,
    wire,
    consultation,
    told,
    ask,
    asked: waiting.opened,
    decideAtTerminal: (m: FromParent) => hear(m),
  };
}

test("what waits for a decision is listed and shown with its plan and every file, and a decision from the bus is the verdict", async (t) => {
  const { clock, consultation, ask, asked } = await consulting({ use: "prompt", limit: "1h" });
  t.deepEqual(await ask.list(), { reviews: [] });
  const verdict = consultation.review(caseOf(), new AbortController().signal);
  await asked;
  const { reviews } = await ask.list();
  t.is(reviews.length, 1);
  t.like(reviews[0], {
    ...{ experiment: "x", owner: "ann", since: clock.now(), deadline_at: clock.now() + 3_600_000 },
    ...{ plan_digest: PLAN, archive_digest: ARCHIVE, files: 2, dependencies: { lib: "^1" } },
  });
  const shown = await ask.show();
  t.like(shown.plan, { rounds: 3, seed: 42 }, "with its defaults");
  t.deepEqual(
    shown.listing?.map((f) => [f.path, f.bytes, f.text]),
    [
      ["package.json", 35, true],
      ["workspace.mjs", SOURCE.length, true],
    ],
  );
  t.deepEqual(await ask.show("workspace.mjs"), { text: SOURCE, next: null });
  t.is((await ask.show("none.mjs")).error?.code, "FL_NOT_FOUND");
  t.deepEqual(await ask.decide(false, { reason: "it phones home", archive_digest: ARCHIVE }), { ok: true });
  t.like(await verdict, { approved: false, by: "bob", reason: "it phones home", error: { code: "FL_REJECTED" } });
  t.deepEqual(await ask.list(), { reviews: [] });
  t.is((await ask.decide(true)).error?.code, "FL_NOT_FOUND", "the first decision counts (K2)");
});

test("the Director's docket is on the Director's subjects", async (t) => {
  const { world, consultation, asked } = await consulting("prompt", { role: "director" });
  const verdict = consultation.review(caseOf("director"), new AbortController().signal);
  await asked;
  const place = { director: "north", manager: "carol" };
  const person = world.wire("person");
  t.is((await person.request(subjects.directorReviews, place, {}, { timeoutMs })).reviews.length, 1);
  const detail = await person.request(subjects.directorReview, place, { experiment: "x", offset: 0 }, { timeoutMs });
  t.like(detail.review, { experiment: "x", collaborators: ["north", "south"] });
  await person.request(subjects.directorDecide, place, { experiment: "x", approved: true }, { timeoutMs });
  t.like(await verdict, { role: "director", approved: true, by: "carol" });
});

test("a decision about something else than what is asked is refused, and the question stands (K2)", async (t) => {
  const { consultation, ask, asked } = await consulting();
  const verdict = consultation.review(caseOf(), new AbortController().signal);
  await asked;
  const other = "0".repeat(64);
  for (const looked of [{ archive_digest: other }, { plan_digest: other }]) {
    t.like(await ask.decide(true, looked), { ok: false, error: { code: "FL_STATE" } });
  }
  await ask.decide(true, { archive_digest: ARCHIVE, plan_digest: PLAN });
  t.true((await verdict).approved);
});

test("a decision may come from the parent's terminal; whoever else asked sees that it is over (CO1)", async (t) => {
  const { consultation, told, ask, decideAtTerminal, asked } = await consulting();
  const verdict = consultation.review(caseOf(), new AbortController().signal);
  await asked;
  t.like(told[0], { type: "asking", review: { experiment: "x", owner: "ann" } });
  const decision = { type: "decision", experiment: "x", decision: { approved: true, by: "dan" } } as const;
  decideAtTerminal(decision);
  t.like(await verdict, { approved: true, by: "dan" });
  t.deepEqual(told[1], { type: "settled", experiment: "x" });
  decideAtTerminal(decision);
  t.deepEqual(await ask.list(), { reviews: [] });
});

test("a review that is not needed any more leaves the docket (K1)", async (t) => {
  const { consultation, told, ask, asked } = await consulting();
  const ends = new AbortController();
  const verdict = consultation.review(caseOf(), ends.signal);
  await asked;
  ends.abort(new FlError("FL_CLOSED"));
  await t.throwsAsync(verdict);
  t.deepEqual(await ask.list(), { reviews: [] });
  t.is(told.at(-1)?.type, "settled");
});

test("D31 an archive that is not what it was announced as is shown to nobody: the review rejects it with its code (CO2)", async (t) => {
  const stored: [Uint8Array] = [Buffer.alloc(caseOf().archive.bytes, "something else")];
  const { consultation, told } = await consulting("auto", { stored });
  const verdict = await consultation.review(caseOf(), new AbortController().signal);
  t.like(verdict, { approved: false, archive_digest: ARCHIVE, error: { code: "FL_DIGEST_MISMATCH" } });
  const unplanned = await consultation.review(
    { ...caseOf(), plan: { version: 1, round: 3 } },
    new AbortController().signal,
  );
  t.like(unplanned, { approved: false, error: { code: "FL_PLAN_INVALID" } });
  t.deepEqual(told, []);
});

test("a file is shown in pieces, and no character is cut in two (S2)", async (t) => {
  const source = `//${"🔬".repeat(50_000)}${"日本\n".repeat(20_000)}`;
  const bytes = packArchive(new Map([["workspace.mjs", Buffer.from(source)]]));
  const digest = sha256(bytes);
  const { consultation, ask, asked } = await consulting("prompt", { stored: [bytes, digest] });
  const about = { ...caseOf(), archive: { digest, bytes: bytes.length }, archiveDigest: digest };
  const verdict = consultation.review(about, new AbortController().signal);
  await asked;
  let text = "";
  let pieces = 0;
  for (let next: number | null | undefined = 0; next !== null && next !== undefined; pieces++) {
    const piece: Awaited<ReturnType<typeof ask.show>> = await ask.show("workspace.mjs", next);
    t.false(/\p{Cs}/u.test(piece.text ?? ""));
    text += piece.text;
    next = piece.next;
  }
  t.true(text === source);
  t.true(pieces > 2);
  await ask.decide(true);
  await verdict;
});
