/**
 * Law P3: an operation that may be repeated is repeated until it is answered, over as many reconnects as it takes.
 *
 * Y1 Only what says nothing about the operation is repeated: a lost connection, silence, a JetStream that is not up yet.
 *    An answer, good or bad, ends it.
 * Y2 A closed connection ends it with FL_CLOSED.
 * Y3 What JetStream answers becomes one of our codes, with its own error as the cause.
 */
import { setTimeout as pause } from "node:timers/promises";
import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import { asFlError, FlError } from "../errors.ts";
import type { Link } from "./link.ts";

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;

/** Whether trying again may help (Y1). */
export function isTransient(e: unknown): boolean {
  if (e instanceof FlError) return e.code === "FL_TIMEOUT" || e.code === "FL_NO_RESPONDER";
  if (e instanceof JetStreamApiError) return e.status === 503; // JetStream is there, but cannot do it now
  const name = e instanceof Error ? e.name : "";
  return name === "TimeoutError" || name === "RequestError" || name === "JetStreamNotEnabled";
}

/** Y3 */
function inOurWords(e: unknown, what: string, tries: number): FlError {
  if (!(e instanceof JetStreamApiError)) return asFlError(e);
  const detail = { reason: e.message, what, tries, server: e.code };
  switch (e.code) {
    case JetStreamApiCodes.StreamWrongLastSequence:
    case JetStreamApiCodes.StreamWrongLastSequenceUnknown:
      return new FlError("FL_FENCED", detail, { cause: e });
    case JetStreamApiCodes.StreamNotFound:
    case JetStreamApiCodes.ConsumerNotFound:
    case JetStreamApiCodes.NoMessageFound:
      return new FlError("FL_NOT_FOUND", detail, { cause: e });
    default:
      return new FlError("FL_INTERNAL", detail, { cause: e });
  }
}

/** @throws FL_CLOSED, the signal's reason, or what `attempt` throws for good */
export async function retried<T>(
  link: Link,
  what: string,
  attempt: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  let wait = FIRST_PAUSE_MS;
  for (let tries = 0; ; tries++) {
    await link.ready(signal);
    try {
      return await attempt();
    } catch (e) {
      if (link.closed) throw new FlError("FL_CLOSED", { what }, { cause: e }); // Y2
      if (!isTransient(e)) throw inOurWords(e, what, tries + 1);
      const fields = { what, tries: tries + 1, err: e };
      if (tries % 10 === 9) link.log.warn(fields, "still trying");
      else link.log.debug(fields, "trying again");
      if (!link.connected) continue;
      await pause(wait, undefined, { signal });
      wait = Math.min(wait * 2, LONGEST_PAUSE_MS);
    }
  }
}
