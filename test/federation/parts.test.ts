/**
 * An assigner and a straggler policy of a user's own (examples/fair-half.ts, examples/as-long-again.ts) in a whole federation:
 * they travel with the workspace and run in the Aggregator's process, which is killed in the middle of a round.
 */
import test from "ava";
import { hasEnded } from "../../src/client/record.ts";
import type { RoundRecord } from "../../src/wire/messages.ts";
import { testFederation } from "../support/federation.ts";

const plan = {
  version: 1,
  rounds: 4,
  quorum: "50%",
  assigner: "./fair-half.ts",
  stragglers: { use: "./as-long-again.ts", options: { leastMs: 60_000 } },
  tasks: [
    { task: "validate", on: "global" },
    { task: "train", arguments: { samples: 320, batchSize: 32, learningRate: 0.5 } },
  ],
};
const envoy = (part: number) => ({
  shard: { use: "mnist", params: { part, parts: 4, trainLimit: 320, validationLimit: 50 } },
});

test("C12 C18 an assigner and a policy of one's own travel with the workspace, and their history outlasts a killed Aggregator", async (t) => {
  const fed = await testFederation(t);
  await fed.start("director", "director", { periodMs: 300 });
  const names = ["e0", "e1", "e2", "e3"];
  await Promise.all(names.map((name, i) => fed.start("envoy", name, envoy(i))));
  const parts = { "./fair-half.ts": "examples/fair-half.ts", "./as-long-again.ts": "examples/as-long-again.ts" };
  await fed.submit("digits", plan, "examples/mnist/workspace.ts", { parts });

  const trainers: string[][] = [];
  const trains = ({ assigned }: RoundRecord): string[] => names.filter((n) => assigned[n]?.includes("train"));
  for (const round of [1, 2, 3, 4]) {
    const record = await fed.round("digits", (r) => r.round === round);
    trainers.push(trains(record));
    t.is(record.quorum, 2);
    t.deepEqual(Object.keys(record.assigned).sort(), names);
    if (round === 3) process.kill(await fed.childOf("director", "director", "aggregator"), "SIGKILL");
  }
  for (const [a, b] of [
    [0, 1],
    [2, 3],
  ] as const) {
    t.deepEqual([...trainers[a]!, ...trainers[b]!].sort(), names, "everybody's turn comes once in two rounds");
  }
  const record = await fed.experiment("digits", hasEnded);
  t.is(record.state, "finished", JSON.stringify(record.failure));
  t.is(record.outcome?.rounds, 4);
});
