/** The supervision of one child process: P1 and P2 of actors/child/machine.ts. */
import test from "ava";
import { createActor, fromPromise, SimulatedClock } from "xstate";
import { type ChildInput, type ChildRun, childMachine, MOST } from "../../actors/child/machine.ts";
import { type Code, FlError } from "../../src/errors.ts";
import { done, run } from "../support/transitions.ts";

const input = { role: "aggregator", config: { name: "x" } };
const crash = (livedMs = 10): ChildRun => ({
  how: "crashed",
  reason: "killed by SIGKILL",
  tail: ["last words"],
  livedMs,
});
const told = (code: Code): ChildRun => ({ how: "failed", error: new FlError(code).toJSON() });
const ran = (how: ChildRun) => done("run", how);

test("a child that tells its output has ended", (t) => {
  const { snapshot } = run(childMachine, input, ran({ how: "output", output: 42 }));
  t.deepEqual(snapshot.output, { state: "ended", output: 42 });
});

test("a coded failure that a restart cannot mend ends it with that failure", (t) => {
  const { snapshot } = run(childMachine, input, ran(told("FL_WORKSPACE_INVALID")));
  t.like(snapshot.output, { state: "failed", error: { code: "FL_WORKSPACE_INVALID" } });
});

for (const code of ["FL_FENCED", "FL_TIMEOUT", "FL_NATS_UNREACHABLE"] as const) {
  test(`${code} is mended by a restart`, (t) => {
    t.is(run(childMachine, input, ran(told(code))).snapshot.value, "pausing");
  });
}

test("a child that crashes is started again, and given up after too many times in a row, with its last words", (t) => {
  let runs = 0;
  const clock = new SimulatedClock();
  const crashing = fromPromise<ChildRun, ChildInput>(async () => {
    runs++;
    return crash();
  });
  const machine = childMachine.provide({ actors: { run: crashing } });
  const actor = createActor(machine, { input, clock });
  return new Promise<void>((resolve) => {
    actor.subscribe({
      next: ({ value }) => value === "pausing" && queueMicrotask(() => clock.increment(60_000)),
      complete: () => {
        t.is(runs, MOST + 1);
        const { output } = actor.getSnapshot();
        t.like(output, { state: "failed", error: { code: "FL_PROCESS_CRASHED", detail: { tail: ["last words"] } } });
        resolve();
      },
    });
    actor.start();
  });
});

test("a child that lived for long begins a new row of crashes", (t) => {
  const machine = childMachine;
  const { snapshot } = run(machine, input, ran(crash()), { type: "clock.resumed" }, ran(crash(3_600_000)));
  t.is(snapshot.context.crashes, 1);
});

test("a restored actor that was pausing goes on at once: its timer is gone", (t) => {
  t.is(run(childMachine, input, ran(crash()), { type: "clock.resumed" }).snapshot.value, "running");
});

test("leaving ends it in any state", (t) => {
  for (const events of [[], [ran(crash())]]) {
    t.deepEqual(run(childMachine, input, ...events, { type: "leave" }).snapshot.output, { state: "left" });
  }
});
