/** A round whose aggregation actor is not there: A7 of actors/aggregator/machine.ts, with the real parts. */
import test from "ava";
import { fedavg } from "../../actors/aggregation/fedavg.ts";
import { RemoteAggregation } from "../../actors/aggregation/remote.ts";
import { serveAggregation } from "../../actors/aggregation/serve.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import type { Failure, Progress } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { hurried } from "../support/clock.ts";
import { EXP, expected, experiment, gate } from "../support/experiment.ts";

const everyone = ["a", "b", "c"];

test("the deadline runs while an aggregation actor is awaited, whom the failure names (A7)", async (t) => {
  const e = experiment(t, { plan: { deadline: "2s" }, clock: hurried(5) });
  const told: Progress[] = [];
  e.reader.on(subjects.progress, { exp: EXP }, (_, progress) => told.push(progress));
  const absent = new RemoteAggregation({ wire: e.world.wire("aggregation"), exp: EXP, name: "absent", options: {} });
  const aggregator = await e.aggregator({ aggregation: absent });
  const all = await Promise.all(everyone.map((name) => e.collaborator(name)));
  const output = await aggregator.done;
  t.like(output, {
    state: "failed",
    failure: {
      ...{ role: "aggregator", round: 1 },
      error: { code: "FL_NO_QUORUM", detail: { part: "nats:absent", accepted: 0, missing: everyone } },
    },
  });
  t.regex((output as { failure: Failure }).failure.error.message, /nats:absent/);
  t.like(await e.round(), { state: "failed", round: 1 });
  t.is(told.findLast((p) => p.round === 1)?.waiting_for, "nats:absent");
  for (const { done } of all) t.deepEqual(await done, { state: "ended" });
});

test("an aggregation actor that comes before the deadline makes the round count, and is waited for no more", async (t) => {
  const e = experiment(t, { plan: { deadline: "1m", rounds: 1, tasks: ["train"] }, clock: hurried(5) });
  const told: Progress[] = [];
  const awaited = gate();
  e.reader.on(subjects.progress, { exp: EXP }, (_, progress) => {
    told.push(progress);
    if (progress.waiting_for !== null) awaited.open();
  });
  const remote = new RemoteAggregation({ wire: e.world.wire("aggregation"), exp: EXP, name: "late", options: {} });
  const aggregator = await e.aggregator({ aggregation: remote });
  await Promise.all(everyone.map((name) => e.collaborator(name)));
  await awaited.opened;
  const stop = new AbortController();
  const { done } = serveAggregation({ wire: e.world.wire("late"), name: "late", part: fedavg, stop: stop.signal });
  t.like(await aggregator.done, { state: "finished" });
  const want = expected(8, 1, () => everyone);
  t.is(Buffer.compare(bytesOf(await e.model("last")), bytesOf(want)), 0);
  stop.abort();
  await done;
});
