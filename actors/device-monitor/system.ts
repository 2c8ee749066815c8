/**
 * The built-in device monitor: processors, memory and disk as Node sees them, GPUs as nvidia-smi does.
 *
 * SY1 `load` is the busy share of all processors since the last report (of the first: since the monitor was made), not the
 *     system's load average, which no container and no Windows has.
 */
import { statfs } from "node:fs/promises";
import { type CpuInfo, cpus, freemem, totalmem } from "node:os";
import { defineMonitor, type Monitor } from "../../src/parts/monitor.ts";
import { scratchRoot } from "../../src/scratch.ts";
import { type Gpu, NvidiaSmi } from "./nvidia-smi.ts";

/** Where the figures come from; tests bring their own. */
export type Sources = {
  readonly now: () => number;
  readonly cpus: () => CpuInfo[];
  readonly memory: () => { total: number; free: number };
  readonly disk: () => Promise<{ total: number; free: number } | null>;
  readonly gpus: () => Promise<Gpu[]>;
};

export function systemMonitor(sources: Partial<Sources> = {}): Monitor {
  const smi = new NvidiaSmi();
  const from: Sources = {
    now: Date.now,
    cpus,
    memory: () => ({ total: totalmem(), free: freemem() }),
    disk,
    gpus: () => smi.read(),
    ...sources,
  };
  let before = times(from.cpus());
  return defineMonitor({
    name: "system",
    async report() {
      const [gpus, disk] = await Promise.all([from.gpus(), from.disk()]);
      const all = from.cpus();
      const now = times(all);
      const cpu = { count: all.length, load: busy(before, now), model: all[0]?.model.trim() || "unknown" };
      before = now;
      return { at: from.now(), cpu, memory: from.memory(), disk, gpus };
    },
  });
}

/** Of the file system that workspaces are opened in; what is kept back for root is not free. */
async function disk(): Promise<{ total: number; free: number } | null> {
  const found = await statfs(scratchRoot()).catch(() => undefined);
  return found === undefined ? null : { total: found.blocks * found.bsize, free: found.bavail * found.bsize };
}

type Times = { readonly idle: number; readonly total: number };

function times(all: readonly CpuInfo[]): Times {
  let idle = 0;
  let total = 0;
  for (const { times: t } of all) {
    idle += t.idle;
    total += t.user + t.nice + t.sys + t.idle + t.irq;
  }
  return { idle, total };
}

/** The counters of a processor that was taken offline can go back: then nothing is known. */
function busy(before: Times, now: Times): number {
  const total = now.total - before.total;
  return total <= 0 ? 0 : Math.min(1, Math.max(0, 1 - (now.idle - before.idle) / total));
}
