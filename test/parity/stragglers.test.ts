/** Who comes late: straggler policies at work in whole experiments over a memory world. */
import test from "ava";
import { FlError } from "../../src/errors.ts";
import { defineAssigner } from "../../src/parts/assigner.ts";
import { defineStragglers } from "../../src/parts/straggler.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { expected, experiment, fakeTrainer, gate, type Hook } from "../support/experiment.ts";

const equal = (a: Float32Array, b: Float32Array): boolean => Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
const trained = (ran: readonly string[]): string[] => ran.filter((r) => r.includes(" train "));
const everyone = ["a", "b", "c"];

/** Hangs in this round until it is called off. */
const slow =
  (...rounds: number[]): Hook =>
  ({ task, round, signal }) => {
    if (task !== "train" || !rounds.includes(round)) return;
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new FlError("FL_CANCELLED"))));
  };

test("C14 C17 the cut-off closes the round with the minimum, in each round anew, and the late one is taken up in the next", async (t) => {
  const e = experiment(t, {
    plan: { rounds: 4, tasks: ["train"], quorum: 2, stragglers: { use: "cutoff", options: { after: 300 } } },
  });
  const aggregator = await e.aggregator();
  const all = await Promise.all(
    everyone.map((n) => e.collaborator(n, fakeTrainer(8, n === "c" ? slow(1, 3) : undefined))),
  );
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 4 } });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 4, (r) => (r % 2 === 1 ? ["a", "b"] : everyone)),
    ),
  );
  t.deepEqual(trained(all[2]!.trainer.ran), ["c train 2", "c train 4"]);
  const late = (await e.events()).filter((v) => v.type === "round.closed").map((v) => v.detail.late);
  t.deepEqual(late, [[], ["c"], [], ["c"], []]);
});

test("C14 below the minimum the cut-off waits on, and the round closes as soon as the minimum is in", async (t) => {
  const held = gate();
  const e = experiment(t, {
    plan: { rounds: 1, tasks: ["train"], quorum: 2, stragglers: { use: "cutoff", options: { after: 50 } } },
  });
  const aggregator = await e.aggregator();
  const hold: Hook = ({ task }) => (task === "train" ? held.opened : undefined);
  await Promise.all([
    e.collaborator("a"),
    e.collaborator("b", fakeTrainer(8, hold)),
    e.collaborator("c", fakeTrainer(8, slow(1))),
  ]);
  await new Promise<void>((resolve) => {
    aggregator.actor.subscribe(({ context }) => context.enough && context.accepted.length === 1 && resolve());
  });
  held.open();
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 1 } });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 1, () => ["a", "b"]),
    ),
  );
});

test("C15 a percentage closes the round as soon as that share of those asked has reported", async (t) => {
  const names = ["a", "b", "c", "d"];
  const e = experiment(t, {
    names,
    plan: { rounds: 2, tasks: ["train"], quorum: 1, stragglers: { use: "percentage", options: { share: "75%" } } },
  });
  const aggregator = await e.aggregator();
  await Promise.all(names.map((n) => e.collaborator(n, fakeTrainer(8, n === "d" ? slow(1, 2) : undefined))));
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 2 } });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 2, () => everyone),
    ),
  );
});

test("C16 a round that closes with ratings alone changes no model, and the next one trains", async (t) => {
  const e = experiment(t, {
    plan: {
      ...{ rounds: 2, tasks: [{ task: "validate", on: "global" }, "train"], quorum: 1 },
      stragglers: { use: "percentage", options: { share: "60%" } },
    },
  });
  const aggregator = await e.aggregator({
    assigner: defineAssigner({
      name: "one-trainer",
      assign: () => ({ a: ["train"], b: ["validate_global"], c: ["validate_global"] }),
    }),
  });
  await Promise.all([
    e.collaborator("a", fakeTrainer(8, slow(1))),
    // in the second round the ratings come after the update
    ...["b", "c"].map((n) => {
      const after: Hook = async ({ round }) => {
        if (round === 2 && n === "c") await untilAccepted;
      };
      return e.collaborator(n, fakeTrainer(8, after));
    }),
  ]);
  const untilAccepted = new Promise<void>((resolve) => {
    aggregator.actor.subscribe(({ context: c }) => c.checkpoint.round === 2 && c.accepted.includes("a") && resolve());
  });
  t.like(await aggregator.done, {
    state: "finished",
    outcome: { rounds: 1, metrics: { "validate_global.samples": 10 } },
  });
  t.true(equal(await e.model("last"), expectedOnly(8, "a", 2)));
});

/** The model of one collaborator's training in one round only. */
function expectedOnly(length: number, name: string, round: number): Float32Array {
  const start = expected(length, 0, () => []);
  const amount = (i: number): number =>
    Math.fround((((name.charCodeAt(0) - 96) * 31 + round * 17 + i * 13) % 64) / 64 - 0.4);
  return start.map((x, i) => Math.fround(x + amount(i)));
}

test("C17 an update that comes after its round has closed is late, and leaves no trace", async (t) => {
  const held = gate();
  const e = experiment(t, { plan: { rounds: 2, tasks: ["train"], quorum: 2, stragglers: "quorum" } });
  const aggregator = await e.aggregator();
  // it does not heed that it was called off, and offers its update of round 1 in round 2
  const deaf: Hook = ({ task, round }) => (task === "train" && round === 1 ? held.opened : undefined);
  const busy: Hook = async ({ task, round }) => {
    if (task !== "train" || round !== 2) return;
    held.open();
    await new Promise((resolve) => setImmediate(resolve));
  };
  const all = await Promise.all([
    ...["a", "b"].map((n) => e.collaborator(n, fakeTrainer(8, busy))),
    e.collaborator("c", fakeTrainer(8, deaf)),
  ]);
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 2 } });
  const [, second] = (await e.events()).filter((v) => v.type === "round.closed" && v.round! > 0);
  t.true(
    equal(
      await e.model("last"),
      expected(8, 2, (r) => (r === 1 ? ["a", "b"] : (second!.detail.contributors as string[]))),
    ),
  );
  t.false(all[2]!.trainer.ran.includes("c train 1"));
});

test("C18 a policy of one's own decides at each answer and at its own time", async (t) => {
  const seen: string[] = [];
  const firstOf = defineStragglers({
    name: "first-of",
    decide({ round, answered, elapsedMs, history }) {
      seen.push(`${round} ${answered.map((a) => a.collaborator).join("")} ${history.length}`);
      if (round === 1) return answered.some((a) => a.collaborator === "b");
      return elapsedMs >= 200 || 200;
    },
  });
  const e = experiment(t, { plan: { rounds: 2, tasks: ["train"], quorum: 1 } });
  const aggregator = await e.aggregator({ stragglers: firstOf });
  await Promise.all([
    e.collaborator("a", fakeTrainer(8, slow(1))),
    e.collaborator("b", fakeTrainer(8, slow(2))),
    e.collaborator("c", fakeTrainer(8, slow(1, 2))),
  ]);
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 2 } });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 2, (r) => (r === 1 ? ["b"] : ["a"])),
    ),
  );
  t.true(seen.includes("1  0") && seen.includes("1 b 0") && seen.includes("2  1"), seen.join());
});

test("C18 a policy that fails ends the experiment with its own error", async (t) => {
  const broken = defineStragglers({
    name: "mine",
    decide: () => {
      throw new RangeError("oops");
    },
  });
  const e = experiment(t, { plan: { quorum: 1 } });
  const aggregator = await e.aggregator({ stragglers: broken });
  await Promise.all(everyone.map((n) => e.collaborator(n)));
  const output = await aggregator.done;
  t.like(output, { state: "failed", failure: { role: "aggregator", error: { code: "FL_PART_FAILED" } } });
  t.regex(JSON.stringify(output), /straggler policy mine: oops/);
});
