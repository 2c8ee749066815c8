/**
 * An experiment that goes into the queue once more: what its next Aggregator and Collaborators make of what the last have left.
 * S4 of actors/aggregator/services.ts, V5 of actors/collaborator/services.ts.
 */
import test from "ava";
import { FlError } from "../../src/errors.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { subjects } from "../../src/wire/table.ts";
import { expected, experiment, fakeTrainer, gate, type Hook } from "../support/experiment.ts";

const everyone = ["a", "b", "c"];
const equal = (a: Float32Array, b: Float32Array): boolean => Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
const trained = (ran: readonly string[]): string[] => ran.filter((r) => r.includes(" train "));
const want = expected(8, 3, () => everyone);
const failsOnce = (at: number): Hook => {
  let failed = false;
  return ({ task, round }) => {
    if (failed || task !== "train" || round !== at) return;
    failed = true;
    throw new Error("the disk is full");
  };
};

test("the next attempt goes on from the last checkpoint, not from the failure that ended the one before (S4)", async (t) => {
  const e = experiment(t);
  const hook = failsOnce(2);
  const first = await e.aggregator();
  await Promise.all(everyone.map((name) => e.collaborator(name, fakeTrainer(8, name === "c" ? hook : () => {}))));
  t.like(await first.done, { state: "failed", failure: { role: "collaborator", name: "c", round: 2 } });

  e.again();
  const second = await e.aggregator();
  const all = await Promise.all(everyone.map((name) => e.collaborator(name)));
  t.like(await second.done, { state: "finished", outcome: { rounds: 3 } });
  t.true(equal(await e.model("last"), want));
  for (const [i, name] of everyone.entries()) {
    t.deepEqual(trained(all[i]!.trainer.ran), [`${name} train 2`, `${name} train 3`]);
  }
  t.like(await e.round(), { attempt: 2, state: "finished", failure: null });
});

test("a fresh attempt starts over, whatever there is (S4)", async (t) => {
  const e = experiment(t);
  const first = await e.aggregator();
  const hook = failsOnce(3);
  await Promise.all(everyone.map((name) => e.collaborator(name, fakeTrainer(8, name === "c" ? hook : () => {}))));
  t.like(await first.done, { state: "failed", failure: { round: 3 } });

  e.again({ fresh: true });
  const second = await e.aggregator();
  const all = await Promise.all(everyone.map((name) => e.collaborator(name)));
  t.like(await second.done, { state: "finished", outcome: { rounds: 3 } });
  t.true(equal(await e.model("last"), want));
  for (const { trainer } of all) t.is(trained(trainer.ran).length, 3);
  const metrics = (await e.metrics()).filter((m) => m.origin === "a" && m.task === "train" && m.metric === "loss");
  t.deepEqual(
    metrics.map((m) => m.round),
    [1, 2, 3, 1, 2, 3],
    "what it measures is recorded, though the same was measured before",
  );
});

test("D39 an interrupted round is repeated by those who resume, from the same model, with its time before it", async (t) => {
  const e = experiment(t, { plan: { deadline: "1h" } });
  const reached = gate();
  const held = gate();
  const hold: Hook = async ({ task, round, signal }) => {
    if (task !== "train" || round !== 2) return;
    reached.open();
    await Promise.race([held.opened, new Promise((resolve) => signal.addEventListener("abort", resolve))]);
  };
  const first = await e.aggregator();
  const before = await Promise.all(
    everyone.map((name) => e.collaborator(name, fakeTrainer(8, name === "c" ? hold : () => {}))),
  );
  await reached.opened;
  first.leave();
  t.deepEqual(await first.done, { state: "left" });
  for (const one of before) one.leave();
  await Promise.all(before.map((one) => one.done));
  const checkpoint = (await e.round())!;
  t.like(checkpoint, { attempt: 1, round: 2, state: "open" });

  e.again();
  const second = await e.aggregator();
  const all = await Promise.all(everyone.map((name) => e.collaborator(name)));
  t.like(await second.done, { state: "finished", outcome: { rounds: 3 } });
  t.true(equal(await e.model("last"), want));
  t.deepEqual(trained(all[2]!.trainer.ran), ["c train 2", "c train 3"]);
  const restarted = (await e.events()).filter((event) => event.type === "aggregator.restarted");
  t.deepEqual(restarted, [], "nobody died");
});

test("a round that is repeated in another attempt has its whole deadline, not what the last has left of it (S4)", async (t) => {
  const e = experiment(t, { plan: { deadline: "1h" } });
  const first = await e.aggregator();
  await e.until((r) => r.round === 0);
  await first.kill();
  const { deadline_at } = (await e.round())!;
  const successor = await e.aggregator();
  await e.until((r) => r.epoch === 2);
  t.is((await e.round())!.deadline_at, deadline_at, "it goes on within an attempt");
  await successor.kill();
  e.again();
  await new Promise((resolve) => setTimeout(resolve, 2));
  await e.aggregator();
  await e.until((r) => r.attempt === 2);
  t.true((await e.round())!.deadline_at! > deadline_at!);
});

test("a collaborator of a later attempt waits for its round record; one of an earlier is over when that comes (V5)", async (t) => {
  const e = experiment(t);
  const first = await e.aggregator();
  const hook = failsOnce(1);
  await Promise.all(everyone.map((name) => e.collaborator(name, fakeTrainer(8, name === "c" ? hook : () => {}))));
  t.like(await first.done, { state: "failed" });

  e.again();
  const early = await Promise.all(everyone.map((name) => e.collaborator(name)));
  const second = await e.aggregator();
  t.like(await second.done, { state: "finished" });
  for (const one of early) t.deepEqual(await one.done, { state: "ended" });

  const f = experiment(t);
  const left = await f.aggregator();
  const late = await f.collaborator("a");
  await f.until((r) => r.state === "open");
  await left.kill();
  f.again();
  await f.aggregator();
  t.deepEqual(await late.done, { state: "ended" }, "its place is another process's");
});

test("D17 ordered to fail, it ends with that cause for everyone", async (t) => {
  const e = experiment(t);
  const first = await e.aggregator();
  const reached = gate();
  const all = await Promise.all(
    everyone.map((name) =>
      e.collaborator(
        name,
        fakeTrainer(8, ({ round }) => (round === 1 ? reached.open() : undefined)),
      ),
    ),
  );
  await reached.opened;
  const error = new FlError("FL_SET_FAILED", { reason: "enough" }).toJSON();
  const failure = { role: "owner" as const, name: "ann", round: null, error };
  await e.reader.request(subjects.end, { exp: "e", director: "d" }, { failure }, { timeoutMs: 5_000 });
  t.deepEqual(await first.done, { state: "failed", failure });
  t.like(await e.round(), { state: "failed", failure });
  for (const one of all) t.deepEqual(await one.done, { state: "ended" });
});
