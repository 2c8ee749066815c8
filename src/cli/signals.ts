/**
 * Being asked to end.
 *
 * G1 The first SIGINT, SIGTERM or SIGHUP asks: everything ends in order. The second ends this process at once; its children
 *    notice that their parent is gone and follow.
 * G2 A reader of stdout that goes away (`| head`) asks, too.
 */
import { FlError } from "../errors.ts";
import { INTERRUPTED } from "./fault.ts";

let asked: AbortSignal | undefined;

/** The same signal for every caller in this process. */
export function interruption(): AbortSignal {
  if (asked !== undefined) return asked;
  const stop = new AbortController();
  asked = stop.signal;
  const ask = (): void => {
    if (stop.signal.aborted) process.exit(INTERRUPTED);
    stop.abort(new FlError("FL_CLOSED", { reason: "interrupted" }));
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, ask);
  process.stdout.on("error", (e: NodeJS.ErrnoException) => {
    if (e.code !== "EPIPE") throw e;
    if (!stop.signal.aborted) ask(); // G2
  });
  return asked;
}
