/** The built-in device monitor, on figures given to it and on this machine. */
import type { CpuInfo } from "node:os";
import test from "ava";
import { systemMonitor } from "../../actors/device-monitor/system.ts";

const cpu = (busy: number, idle: number): CpuInfo => ({
  model: " Some CPU ",
  speed: 1,
  times: { user: busy, nice: 0, sys: 0, idle, irq: 0 },
});

test("load is the busy share since the last report (SY1)", async (t) => {
  const readings = [
    [cpu(100, 900), cpu(0, 0)], // when it was made
    [cpu(150, 950), cpu(0, 100)], // 50 of 200 were busy
    [cpu(250, 950), cpu(100, 100)], // all
    [cpu(250, 950), cpu(100, 100)], // no time has passed
    [cpu(0, 0), cpu(0, 0)], // the counters went back
  ];
  const monitor = systemMonitor({
    cpus: () => readings.shift() ?? [],
    gpus: () => Promise.resolve([]),
    now: () => 7,
    memory: () => ({ total: 10, free: 3 }),
    disk: () => Promise.resolve({ total: 9, free: 2 }),
  });
  t.deepEqual(await monitor.report(), {
    at: 7,
    cpu: { count: 2, load: 0.25, model: "Some CPU" },
    memory: { total: 10, free: 3 },
    disk: { total: 9, free: 2 },
    gpus: [],
  });
  t.is((await monitor.report()).cpu.load, 1);
  t.is((await monitor.report()).cpu.load, 0);
  t.is((await monitor.report()).cpu.load, 0);
});

test("a machine that does not show its processors has none", async (t) => {
  const monitor = systemMonitor({ cpus: () => [], gpus: () => Promise.resolve([]) });
  t.deepEqual((await monitor.report()).cpu, { count: 0, load: 0, model: "unknown" });
});

test("on this machine it reports what there is", async (t) => {
  const monitor = systemMonitor();
  const { at, cpu: own, memory, disk } = await monitor.report();
  t.true(Math.abs(at - Date.now()) < 60_000);
  t.true(own.count >= 1);
  t.true(memory.total > memory.free && memory.free > 0);
  t.true(disk !== null && disk.total >= disk.free && disk.free > 0);
});
