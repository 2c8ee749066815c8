/**
 * Pausing, resuming, failing and retrying with a Director that is killed behind each order: the same final model as an
 * undisturbed run, with real processes on a real server. At every single write it is test/actors/director.test.ts.
 */
import test from "ava";
import type { Ordered } from "../../src/wire/requests.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { director, reference, run } from "../support/digits.ts";
import type { TestFederation } from "../support/federation.ts";

const caller = "tester";
const soon = { timeoutMs: 10_000 };
const which = { experiment: "digits" };

/** Orders, and kills the Director that has taken the order as soon as it has said so. */
async function orderAndKill(fed: TestFederation, order: () => Promise<Ordered>): Promise<void> {
  const { ok, error } = await order();
  if (!ok) throw new Error(JSON.stringify(error));
  await fed.kill("director", "director");
  await fed.start("director", "director", director);
}

const assigned = async (fed: TestFederation, envoy: string): Promise<string[]> =>
  (await (await fed.wire.table(buckets.assignments)).get({ envoy }))?.value.experiments.map((e) => e.name) ?? [];

test.serial(
  "D39 paused in mid-round and resumed, it repeats that round, though the Director dies behind each order",
  async (t) => {
    const model = await run(t, async (fed) => {
      await orderAndKill(fed, () => fed.wire.request(subjects.pause, { caller }, which, soon));
      const paused = await fed.experiment("digits", (r) => r.state === "paused");
      t.deepEqual(paused.collaborators, ["a", "b"]);
      t.deepEqual([await assigned(fed, "a"), await assigned(fed, "b")], [[], []]);
      t.is((await fed.round("digits", () => true)).state, "open");
      await orderAndKill(fed, () => fed.wire.request(subjects.resume, { caller }, which, soon));
      await fed.round("digits", (r) => r.attempt === 2);
    });
    t.is(model, await reference(t));
  },
);

test.serial(
  "D39 set failed in mid-round and retried, it goes on from its checkpoint, though the Director dies behind each order",
  async (t) => {
    const model = await run(t, async (fed) => {
      const reason = { ...which, reason: "the electricity bill" };
      await orderAndKill(fed, () => fed.wire.request(subjects.fail, { caller }, reason, soon));
      const failed = await fed.experiment("digits", (r) => r.state === "failed");
      t.like(failed.failure, { role: "owner", name: caller, error: { code: "FL_SET_FAILED" } });
      const { round } = await fed.round("digits", (r) => r.state === "failed");
      await orderAndKill(fed, () => fed.wire.request(subjects.retry, { caller }, { ...which, fresh: false }, soon));
      const again = await fed.round("digits", (r) => r.attempt === 2);
      t.true(again.round >= round);
    });
    t.is(model, await reference(t));
  },
);
