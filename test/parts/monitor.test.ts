/** The contract of a device monitor (src/parts/monitor.ts). */
import test from "ava";
import loadMonitor from "../../examples/load-monitor.ts";
import { FlError } from "../../src/errors.ts";
import { defineMonitor, type MonitorSpec } from "../../src/parts/monitor.ts";
import type { DeviceReport } from "../../src/wire/messages.ts";

const good: DeviceReport = {
  at: 1,
  cpu: { count: 4, load: 0.5, model: "a" },
  memory: { total: 8, free: 4 },
  disk: { total: 16, free: 8 },
  gpus: [{ index: 0, name: "g", memory_total: 2, memory_used: 1, utilisation: 1, driver: "1", cuda: "12.4" }],
};

test("a report passes as it is, whether it was waited for or not (DM1)", async (t) => {
  t.deepEqual(await defineMonitor({ name: "a", report: () => good }).report(), good);
  t.deepEqual(await defineMonitor({ name: "a", report: () => Promise.resolve(good) }).report(), good);
});

test("a disk and a CUDA version may be left out", async (t) => {
  const { disk: _, gpus, ...rest } = good;
  const { cuda: __, ...gpu } = gpus[0]!;
  const report = await defineMonitor({ name: "a", report: () => ({ ...rest, gpus: [gpu] }) }).report();
  t.deepEqual(report, { ...good, disk: null, gpus: [{ ...gpu, cuda: "" }] });
});

for (const [what, report, says] of [
  ["nothing", undefined, /report of device monitor mine/],
  [
    "a load in per cent",
    { ...good, cpu: { ...good.cpu, load: 50 } },
    /cpu\.load must be a fraction from 0 to 1, got 50/,
  ],
  ["a load that is no number", { ...good, cpu: { ...good.cpu, load: Number.NaN } }, /cpu\.load/],
  ["negative memory", { ...good, memory: { total: 1, free: -1 } }, /memory\.free/],
  ["utilisation in per cent", { ...good, gpus: [{ ...good.gpus[0], utilisation: 99 }] }, /gpus\[0\]\.utilisation/],
  ["no gpus", { ...good, gpus: undefined }, /gpus is missing/],
] as const) {
  test(`a report with ${what} is refused by name (DM1)`, async (t) => {
    const monitor = defineMonitor({ name: "mine", report: () => report as DeviceReport });
    const e = await t.throwsAsync(monitor.report(), { instanceOf: FlError });
    t.is(e?.code, "FL_PART_FAILED");
    t.regex(e?.message ?? "", says);
  });
}

test("what a monitor throws is FL_PART_FAILED with the monitor's name and its own error as cause", async (t) => {
  const cause = new TypeError("no such sensor");
  const monitor = defineMonitor({
    name: "mine",
    report() {
      throw cause;
    },
  });
  const e = await t.throwsAsync(monitor.report(), { instanceOf: FlError });
  t.is(e?.code, "FL_PART_FAILED");
  t.is(e?.cause, cause);
  t.regex(e?.message ?? "", /mine.*no such sensor/);
});

test("an object that is no monitor is refused", (t) => {
  for (const wrong of [undefined, null, 3, {}, { name: "a" }, { name: "", report: () => good }]) {
    const e = t.throws(() => defineMonitor(wrong as MonitorSpec), { instanceOf: FlError });
    t.is(e?.code, "FL_PART_FAILED");
  }
});

test("a monitor may be a class, and may have nothing to dispose of", async (t) => {
  class Mine {
    readonly name = "mine";
    #at = 0;
    report(): DeviceReport {
      return { ...good, at: ++this.#at };
    }
  }
  const monitor = defineMonitor(new Mine());
  t.is((await monitor.report()).at, 1);
  await t.notThrowsAsync(async () => monitor.dispose?.());
});

test("the example is a monitor", async (t) => {
  const report = await loadMonitor.report();
  t.true(report.cpu.count >= 1);
  t.deepEqual(report.gpus, []);
});
