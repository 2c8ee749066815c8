/** Where log lines go: NDJSON through pino, on stderr unless told otherwise, so that stdout stays a command's own. */
import { pino } from "pino";
import type { Log } from "./ports.ts";

export type LogOptions = {
  /** @default "info" */
  level?: "trace" | "debug" | "info" | "warn" | "error" | "silent" | undefined;
  /** Takes whole lines. @default stderr, written synchronously so that a dying process loses none */
  destination?: { write(line: string): void } | undefined;
  /** what every line carries as `name` */
  name?: string | undefined;
};

export function createLog({ level = "info", destination, name }: LogOptions = {}): Log {
  return pino(
    {
      level,
      base: name === undefined ? { pid: process.pid } : { pid: process.pid, name },
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? pino.destination({ fd: 2, sync: true }),
  );
}

const nothing = (): void => {};

export const silentLog: Log = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLog,
};
