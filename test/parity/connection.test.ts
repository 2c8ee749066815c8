/** A collaborator whose Aggregator does not answer: row C37. What it does over real kills is in test/federation/kill.test.ts. */
import test from "ava";
import { insist } from "../../actors/insist.ts";
import { FlError } from "../../src/errors.ts";

test("C37 while nobody answers it asks again, at growing intervals; an answer that is final ends it at once", async (t) => {
  const at: number[] = [];
  const signal = new AbortController().signal;
  const answer = await insist(signal, async () => {
    at.push(performance.now());
    if (at.length < 3) throw new FlError("FL_NO_RESPONDER");
    return at.length < 4 ? undefined : "accepted";
  });
  t.is(answer, "accepted");
  const pauses = at.slice(1).map((time, i) => time - at[i]!);
  for (const [i, least] of [99, 199, 399].entries()) t.true(pauses[i]! >= least, `${pauses}`);

  for (const code of ["FL_MESSAGE_MALFORMED", "FL_FENCED", "FL_CLOSED"] as const) {
    let asked = 0;
    const refused = insist(signal, async () => {
      asked++;
      throw new FlError(code);
    });
    await t.throwsAsync(refused, { code });
    t.is(asked, 1, code);
  }
});

test("C37 whoever is called off in a pause asks no more", async (t) => {
  const stop = new AbortController();
  const reason = new Error("the round has moved on");
  let asked = 0;
  const asking = insist(stop.signal, async () => {
    asked++;
    setImmediate(() => stop.abort(reason));
    throw new FlError("FL_TIMEOUT");
  });
  await t.throwsAsync(asking);
  t.is(asked, 1);
});
