/** An envoy's report of a failed collaborator: F1 of actors/envoy/report.ts. */
import test from "ava";
import { waitFor } from "xstate";
import { REPEAT_MS, reportFailure } from "../../actors/envoy/report.ts";
import { FlError } from "../../src/errors.ts";
import { subjects } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { hurried, manualClock } from "../support/clock.ts";
import { EXP, experiment, fakeTrainer, gate, type Hook } from "../support/experiment.ts";
import { FED, quiet, testWorld } from "../support/ports.ts";

test("what an envoy cannot run is said again for as long as it is so, to whichever Aggregator there is (F1)", async (t) => {
  const clock = manualClock();
  const world = testWorld({ clock });
  const heard: string[] = [];
  const aggregator = (name: string): (() => void) =>
    world.wire(name).serve(
      subjects.envoyFailed,
      { exp: "e" },
      ({ envoy }, { error }) => {
        heard.push(`${name} ${envoy} ${error.code}`);
        return { ok: true };
      },
      (error) => ({ ok: false, error: error.toJSON() }),
    );
  const end = aggregator("first");
  const stop = new AbortController();
  const wire = new Wire({ ...world.ports("envoy"), clock }, FED);
  const error = new FlError("FL_SHARD_FAILED");
  const reporting = reportFailure({ wire, envoy: "north", experiment: "e", error }, stop.signal);
  await quiet();
  clock.advance(REPEAT_MS - 1);
  await quiet();
  t.deepEqual(heard, ["first north FL_SHARD_FAILED"]);
  end();
  aggregator("second");
  clock.advance(1);
  await quiet();
  t.deepEqual(heard.slice(1), ["second north FL_SHARD_FAILED"]);
  stop.abort();
  await reporting;
  t.is(clock.waiting, 0);
});

test("a restarted Aggregator is told again which sites cannot take part, and waits for them in no round (I3, F1)", async (t) => {
  const clock = hurried(20);
  const e = experiment(t, { plan: { quorum: 2, rounds: 2 }, clock });
  const [held, reached] = [gate(), gate()];
  const hold: Hook = ({ task, round }) => {
    if (task !== "train" || round !== 1) return;
    reached.open();
    return held.opened;
  };
  const first = await e.aggregator();
  await Promise.all(["a", "b"].map((n) => e.collaborator(n, fakeTrainer(8, hold))));
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const error = new FlError("FL_SHARD_FAILED", { reason: "disk on fire" });
  const reporting = reportFailure({ wire: e.reader, envoy: "c", experiment: EXP, error }, stop.signal);
  await reached.opened;
  await waitFor(first.actor, ({ context }) => context.checkpoint.round === 1 && context.failed.length === 1);
  await first.kill();
  const second = await e.aggregator();
  await waitFor(second.actor, ({ context }) => context.checkpoint.round === 1 && context.failed.length === 1);
  held.open();
  t.like(await second.done, { state: "finished", outcome: { rounds: 2 } });
  stop.abort();
  await reporting;
  const told = (await e.events()).filter((v) => v.type.startsWith("collaborator."));
  const rounds = told.map((v) => `${v.type} ${v.round} ${v.detail.collaborator}`).filter((v) => !v.includes(" 0 "));
  t.deepEqual(
    rounds,
    [1, 2, 3].map((r) => `collaborator.failed ${r} c`),
    "once a round, also in the interrupted one",
  );
});
