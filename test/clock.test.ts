import test from "ava";
import { systemClock } from "../src/clock.ts";
import { manualClock } from "./support/clock.ts";

test("the system clock calls back, unless it was told not to", async (t) => {
  const before = systemClock.now();
  const cancel = systemClock.after(0, () => t.fail());
  cancel();
  await new Promise<void>((resolve) => void systemClock.after(1, resolve));
  t.true(systemClock.now() >= before);
});

test("a manual clock makes the calls that fall due, in order of time, each at its own moment", (t) => {
  const clock = manualClock(0);
  const calls: string[] = [];
  const note = (name: string) => () => calls.push(`${name} at ${clock.now()}`);
  clock.after(20, note("b"));
  clock.after(10, () => {
    note("a")();
    clock.after(5, note("a2"));
  });
  clock.after(20, note("c"));
  clock.after(31, note("later"));
  clock.after(12, note("cancelled"))();
  clock.advance(30);
  t.deepEqual(calls, ["a at 10", "a2 at 15", "b at 20", "c at 20"]);
  t.is(clock.now(), 30);
  t.is(clock.waiting, 1);
});
