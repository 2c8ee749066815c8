/** The sinks that a Director runs: DS2 of actors/director/sinks.ts. */
import test from "ava";
import { fromPromise } from "xstate";
import type { ChildInput, ChildRun } from "../../actors/child/machine.ts";
import { Sinks } from "../../actors/director/sinks.ts";
import { quiet, testWorld } from "../support/ports.ts";

test("asked for while those before still read, they are begun again when these have ended, and once (DS2)", async (t) => {
  const ends: (() => void)[] = [];
  const run = fromPromise<ChildRun, ChildInput>(
    () => new Promise((resolve) => ends.push(() => resolve({ how: "output", output: { state: "left" } }))),
  );
  const ports = testWorld().ports("director");
  const stop = new AbortController();
  const sinks = await Sinks.open({ sinks: ["csv=x/{experiment}.csv"], nursery: { run }, ports, stop: stop.signal });
  sinks.begin("x");
  await quiet();
  for (let i = 0; i < 3; i++) sinks.begin("x");
  await quiet();
  t.is(ends.length, 1, "one process a sink and experiment");
  ends[0]!();
  await quiet();
  t.is(ends.length, 2);
  ends[1]!();
  await quiet();
  t.is(ends.length, 2);
  stop.abort();
});
