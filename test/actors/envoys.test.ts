/** The envoys of a federation as their Director knows them: N1 and N4 of actors/director/envoys.ts. */
import test from "ava";
import { Envoys } from "../../actors/director/envoys.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { manualClock } from "../support/clock.ts";
import { quiet, testWorld } from "../support/ports.ts";

const periodMs = 1_000;
const info = (instance?: string) => ({
  ...{ v: 1 as const, description: "", sample_shape: [3], target_shape: [1] },
  ...(instance === undefined ? {} : { instance }),
});
const beat = (instance?: string) => ({ v: 1 as const, report: null, running: [], ...(instance && { instance }) });

async function opened() {
  const clock = manualClock();
  const world = testWorld({ clock });
  const wire = world.wire("director");
  const open = (): Promise<Envoys> => Envoys.open(wire, { director: "director", periodMs });
  /** An envoy's process; `probed` counts how often it was asked whether it lives. */
  const process = (envoy: string, instance: string) => {
    const own: Wire = world.wire(instance);
    const state = { probed: 0, silent: false };
    own.serve(
      subjects.probe,
      { envoy, instance },
      () => {
        state.probed++;
        return state.silent ? new Promise(() => {}) : { ok: true };
      },
      () => ({ ok: false }),
    );
    return Object.assign(state, { die: () => own.ports.bus.close() });
  };
  return { clock, wire, open, process, envoys: await open() };
}

test("the same process registers as often as it likes, also with a Director that comes after", async (t) => {
  const { open, envoys, process } = await opened();
  const a = process("north", "a");
  for (const _ of [1, 2]) t.like(await envoys.register("north", info("a")), { accepted: true });
  const successor = await open();
  t.true(successor.heartbeat("north", beat("a")).known);
  t.like(await successor.register("north", info("a")), { accepted: true });
  t.is(a.probed, 0, "there is nobody to ask about");
});

test("another process of the name is refused while the first answers, however silent its heartbeats (N4)", async (t) => {
  const { clock, envoys, process } = await opened();
  process("north", "a");
  await envoys.register("north", info("a"));
  clock.advance(100 * periodMs);
  t.false(envoys.online("north"));
  for (const instance of ["b", undefined]) {
    const answer = await envoys.register("north", info(instance));
    t.like(answer, { accepted: false, error: { code: "FL_EXISTS" } });
    t.regex(answer.error!.message, /another envoy called north is online/);
  }
  t.deepEqual([envoys.heartbeat("north", beat("b")).known, envoys.heartbeat("north", beat("a")).known], [false, true]);
  t.is(envoys.list().length, 1);
});

test("a process that is gone is replaced at once, while its last heartbeat is still young (N4)", async (t) => {
  const { open, wire, envoys, process } = await opened();
  const a = process("north", "a");
  await envoys.register("north", info("a"));
  await a.die();
  t.true(envoys.online("north"));
  t.like(await envoys.register("north", info("b")), { accepted: true });
  t.like((await (await wire.table(buckets.envoys)).get({ envoy: "north" }))?.value, { instance: "b" });
  t.false(envoys.heartbeat("north", beat("a")).known, "should it come back, it has to ask");
  t.false((await open()).heartbeat("north", beat("a")).known, "also the next Director");
});

test("a process that does not answer in time is replaced", async (t) => {
  const { clock, envoys, process } = await opened();
  const a = process("north", "a");
  await envoys.register("north", info("a"));
  a.silent = true;
  const answer = envoys.register("north", info("b"));
  await quiet();
  t.is(a.probed, 1);
  clock.advance(2_000);
  t.like(await answer, { accepted: true });
});

test("of two that come for the name of a dead one at the same time one gets it", async (t) => {
  const { envoys, process } = await opened();
  const a = process("north", "a");
  await envoys.register("north", info("a"));
  await a.die();
  for (const instance of ["b", "c"]) process("north", instance);
  const answers = await Promise.all(["b", "c"].map((instance) => envoys.register("north", info(instance))));
  t.deepEqual(answers.map((a) => a.accepted).sort(), [false, true]);
  const winner = answers[0]!.accepted ? "b" : "c";
  t.true(envoys.heartbeat("north", beat(winner)).known);
});

test("an envoy that does not say which process it is has nobody to be told from, and is let in and replaced", async (t) => {
  const { envoys } = await opened();
  t.true((await envoys.register("north", info())).accepted);
  t.true(envoys.heartbeat("north", beat()).known);
  t.true((await envoys.register("north", info("b"))).accepted);
  t.false(envoys.heartbeat("north", beat()).known);
});
