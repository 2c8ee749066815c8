/** The device monitors that a name without a path stands for. */
import type { Monitor } from "../../src/parts/monitor.ts";
import { systemMonitor } from "./system.ts";

export const monitors: Readonly<Record<string, () => Monitor>> = { system: () => systemMonitor() };
