/**
 * A device monitor of one's own, for a machine without GPUs: the load average that `uptime` shows, and nothing that would
 * start a process.
 *
 *   an envoy's configuration:   monitor: ./load-monitor.ts
 */
import { availableParallelism, cpus, freemem, loadavg, totalmem } from "node:os";
import { defineMonitor } from "entente";

export default defineMonitor({
  name: "load",
  report() {
    const count = availableParallelism();
    const [lastMinute = 0] = loadavg();
    return {
      at: Date.now(),
      cpu: { count, load: Math.min(1, lastMinute / count), model: cpus()[0]?.model ?? "unknown" },
      memory: { total: totalmem(), free: freemem() },
      gpus: [],
    };
  },
});
