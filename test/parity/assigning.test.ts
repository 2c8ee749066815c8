/** Who does what: assigners at work in whole experiments over a memory world. */
import test from "ava";
import { random_groups } from "../../actors/assigner/random-groups.ts";
import { Random, seedFrom } from "../../src/data/random.ts";
import { FlError } from "../../src/errors.ts";
import { type AssignerRound, defineAssigner } from "../../src/parts/assigner.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import type { DeviceReport, EnvoyStatus } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { assignerRound } from "../support/assigner.ts";
import { EXP, expected, experiment, fakeTrainer, gate, type Hook } from "../support/experiment.ts";

const equal = (a: Float32Array, b: Float32Array): boolean => Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
const trained = (ran: readonly string[]): string[] => ran.filter((r) => r.includes(" train "));
const everyone = ["a", "b", "c"];
const tasks = [{ task: "validate", on: "global" }, "train"];

test("C10 random groups: in each round the drawn share trains and the rest rates, whatever the number", async (t) => {
  const names = ["a", "b", "c", "d", "e"];
  const groups = [
    { name: "trainers", share: "40%", tasks: ["train"] },
    { name: "raters", share: "60%", tasks: ["validate_global"] },
  ];
  const e = experiment(t, { names, plan: { tasks, assigner: { use: "random_groups", options: { groups } } } });
  const aggregator = await e.aggregator();
  const all = await Promise.all(names.map((name) => e.collaborator(name)));
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 3 } });
  const drawn = new Map<number, string[]>();
  for (const round of [1, 2, 3]) {
    const random = new Random(seedFrom("assigner", e.plan.seed, round));
    const assigned = await random_groups.create({ groups }).assign(assignerRound({ round, names, random }));
    drawn.set(
      round,
      names.filter((name) => assigned[name]?.includes("train")),
    );
  }
  t.deepEqual(
    [...drawn.values()].map((who) => who.length),
    [2, 2, 2],
  );
  t.true(
    equal(
      await e.model("last"),
      expected(8, 3, (r) => drawn.get(r)!),
    ),
  );
  for (const [i, name] of names.entries()) {
    const rounds = [1, 2, 3].filter((r) => drawn.get(r)!.includes(name));
    t.deepEqual(
      trained(all[i]!.trainer.ran),
      rounds.map((r) => `${name} train ${r}`),
    );
  }
  const rating = Object.values((await e.round())!.assigned);
  t.deepEqual(rating, Array(3).fill(["validate_global"]), "the final model is rated by whoever rates then");
});

test("C11 static groups: each collaborator does its group's tasks in every round", async (t) => {
  const groups = [
    { name: "hospitals", collaborators: ["a", "b"], tasks: ["train"] },
    { name: "judge", collaborators: ["c"], tasks: ["validate_global"] },
  ];
  const e = experiment(t, { plan: { tasks, assigner: { use: "groups", options: { groups } } } });
  const aggregator = await e.aggregator();
  const all = await Promise.all(everyone.map((name) => e.collaborator(name)));
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 3 } });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 3, () => ["a", "b"]),
    ),
  );
  t.deepEqual(
    all[2]!.trainer.ran,
    [1, 2, 3, 4].map((r) => `c validate ${r}`),
  );
  t.deepEqual(
    all[0]!.trainer.ran,
    [1, 2, 3].map((r) => `a train ${r}`),
  );
});

test("C11 groups that leave out somebody who takes part end the experiment with the reason", async (t) => {
  const groups = [{ name: "x", collaborators: ["a", "b"] }];
  const e = experiment(t, { plan: { assigner: { use: "groups", options: { groups } } } });
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((name) => e.collaborator(name)));
  const output = await aggregator.done;
  t.like(output, { state: "failed", failure: { error: { code: "FL_PLAN_INVALID" } } });
  t.regex(JSON.stringify(output), /c is in no group/);
});

const report = (memory: number): DeviceReport => ({
  ...{ at: 1, cpu: { count: 4, load: 0.5, model: "m" }, memory: { total: 8, free: 4 }, disk: null },
  gpus: [{ index: 0, name: "g", memory_total: memory, memory_used: 0, utilisation: 0, driver: "1", cuda: "" }],
});

test("C12 an assigner of one's own is called each round with what is known then: shards, devices, history", async (t) => {
  const e = experiment(t, { plan: { tasks, quorum: 1 } });
  const envoys = await e.reader.table(buckets.envoys);
  for (const name of everyone) {
    const shapes = { sample_shape: [28, 28], target_shape: [10] };
    await envoys.put({ envoy: name }, { v: 1, name, description: `data of ${name}`, ...shapes, registered_at: 1 });
  }
  const memory: Record<string, number> = { a: 8e9, b: 4e9, c: 16e9 };
  const status = (name: string) => ({ name, report: report(memory[name]!) }) as EnvoyStatus;
  const full = (name: string): EnvoyStatus => ({
    ...{
      online: true,
      description: "",
      sample_shape: [],
      target_shape: [],
      registered_at: 1,
      seen_at: 1,
      valid_ms: 25_000,
      running: [],
    },
    ...status(name),
  });
  e.world.wire("director").serve(
    subjects.devices,
    {},
    () => ({ envoys: everyone.map(full) }),
    (error) => ({ envoys: [], error: error.toJSON() }),
  );
  const told: AssignerRound[] = [];
  const byMemory = defineAssigner({
    name: "by-memory",
    assign(round) {
      told.push(round);
      const able = round.collaborators.filter((c) => (c.device?.gpus[0]?.memory_total ?? 0) >= 8e9);
      return Object.fromEntries(able.map((c) => [c.name, ["validate_global", "train"]]));
    },
  });
  const fails: Hook = ({ task, round, collaborator }) => {
    if (task === "train" && round === 1 && collaborator === "c") throw new FlError("FL_TASK_FAILED", { reason: "no" });
  };
  const aggregator = await e.aggregator({ assigner: byMemory });
  const all = await Promise.all(everyone.map((name) => e.collaborator(name, fakeTrainer(8, fails))));
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 3 } });
  t.deepEqual(all[1]!.trainer.ran, [], "b has too little memory");
  t.true(
    equal(
      await e.model("last"),
      expected(8, 3, (r) => (r === 1 ? ["a"] : ["a", "c"])),
    ),
  );
  t.deepEqual(
    told.map((r) => [r.round, r.rating, r.history.length]),
    [
      [1, false, 0],
      [2, false, 1],
      [3, false, 2],
      [4, true, 3],
    ],
  );
  const [first, second] = told;
  t.like(first!.collaborators[0], {
    name: "a",
    shard: { description: "data of a", sampleShape: [28, 28], targetShape: [10] },
    device: report(8e9),
    standing: { asked: 0 },
    metrics: {},
  });
  t.like(second!.history[0], {
    ...{ round: 1, answered: ["a"], failed: ["c"], late: [] },
    assigned: { a: ["validate_global", "train"], c: ["validate_global", "train"] },
    measured: { a: { "train.samples": 1 } },
  });
  const of = (round: AssignerRound, name: string) => round.collaborators.find((c) => c.name === name)!;
  t.deepEqual(of(second!, "c").standing, { asked: 1, answered: 0, failed: 1, late: 0 });
  t.is(of(told[3]!, "a").metrics["train.loss"], 1 / 3);
  t.is(of(told[3]!, "a").shard?.samples, 5, "its collaborator has said how many it has loaded");
});

test("what an assigner knew outlasts its Aggregator, and what it assigned is not asked again (AS1, L1)", async (t) => {
  const e = experiment(t, { plan: { tasks } });
  const reached = gate();
  const held = gate();
  const hold: Hook = ({ task, round }) => {
    if (task !== "train" || round !== 3) return;
    reached.open();
    return held.opened;
  };
  const told: string[] = [];
  const assigner = defineAssigner({
    name: "mine",
    assign({ round, collaborators, history, tasks: all }) {
      told.push(`${round} ${history.map((r) => r.round).join()} ${collaborators[0]!.standing.answered}`);
      return Object.fromEntries(collaborators.map((c) => [c.name, all.map((task) => task.label)]));
    },
  });
  const first = await e.aggregator({ assigner });
  await Promise.all(everyone.map((name) => e.collaborator(name, fakeTrainer(8, hold))));
  await reached.opened;
  await first.kill();
  const second = await e.aggregator({ assigner });
  held.open();
  t.like(await second.done, { state: "finished" });
  t.deepEqual(told, ["1  0", "2 1 1", "3 1,2 2", "4 1,2,3 3"]);
});

test("an assigner that is no good ends the experiment with its own error", async (t) => {
  const assigner = defineAssigner({ name: "mine", assign: () => ({ stranger: ["train"] }) });
  const e = experiment(t);
  const aggregator = await e.aggregator({ assigner });
  const all = await Promise.all(everyone.map((name) => e.collaborator(name)));
  const output = await aggregator.done;
  t.like(output, { state: "failed", failure: { role: "aggregator", error: { code: "FL_PART_FAILED" } } });
  t.regex(JSON.stringify(output), /assigner mine: it asked stranger, who takes no part/);
  for (const { done } of all) t.deepEqual(await done, { state: "ended" });
});

test("C13 a round of some is complete when those are in, the quorum of all is theirs", async (t) => {
  const onlyTwo = defineAssigner({
    name: "only-two",
    assign: ({ round, tasks: all }) => {
      const labels = all.map((task) => task.label);
      return round === 2 ? { b: labels } : { a: labels, b: labels };
    },
  });
  const e = experiment(t, { plan: { tasks, quorum: "all" } });
  const aggregator = await e.aggregator({ assigner: onlyTwo });
  const all = await Promise.all(everyone.map((name) => e.collaborator(name)));
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 3 } });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 3, (r) => (r === 2 ? ["b"] : ["a", "b"])),
    ),
  );
  t.deepEqual(all[2]!.trainer.ran, []);
  for (const { done } of all) t.deepEqual(await done, { state: "ended" });
  const closed = (await e.events()).filter((v) => v.type === "round.closed").map((v) => v.detail.contributors);
  t.deepEqual(closed, [["a"], ["a", "b"], ["b"], ["a", "b"], ["a", "b"]]);
});

test("who joins later is asked from the first round that opens after it lives, and the round before waits for nobody", async (t) => {
  const e = experiment(t, { names: ["a", "b"], plan: { tasks: ["train"], join: true, rounds: 3 } });
  await e.recorded();
  const joined = gate();
  const lives = gate();
  const hold: Hook = async ({ round, collaborator }) => {
    if (round === 1 && collaborator === "a") {
      joined.open();
      await lives.opened;
    }
  };
  const aggregator = await e.aggregator();
  await Promise.all(["a", "b"].map((name) => e.collaborator(name, fakeTrainer(8, hold))));
  await joined.opened;
  await e.recorded({ collaborators: ["a", "b", "c", "d"] }); // d never lives, and nobody waits for it
  const heard = new Promise<void>((resolve) => {
    const end = e.reader.on(subjects.progress, { exp: EXP }, (_, { peers }) => {
      if (peers.some((p) => p.name === "c" && p.seen_at !== null)) {
        end();
        resolve();
      }
    });
  });
  const c = await e.collaborator("c");
  await heard;
  lives.open();
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 3 } });
  t.deepEqual(trained(c.trainer.ran), ["c train 2", "c train 3"]);
  t.true(
    equal(
      await e.model("last"),
      expected(8, 3, (r) => (r === 1 ? ["a", "b"] : everyone)),
    ),
  );
  const told = (await e.events()).filter((v) => v.type === "collaborator.joined");
  t.like(told, [{ round: 2, detail: { collaborator: "c" } }]);
});
