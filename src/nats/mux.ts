/**
 * Requests in flight on one connection: one inbox subscription, one entry per request.
 *
 * nats.js has the same; this one also knows when the connection was lost.
 * M1 A request that was on its way when the connection was lost fails then, not at its timeout: its answer cannot come.
 * M2 A request made while there is no connection waits for the next one, within its timeout.
 * M3 An empty answer with status 503 is the server saying that nobody listens.
 * M4 A request that the server does not let through fails at once.
 */
import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import { FlError } from "../errors.ts";

export type MuxOptions = { timeoutMs: number; headers?: MsgHdrs | undefined; signal?: AbortSignal | undefined };

type Pending = {
  readonly subject: string;
  readonly resolve: (answer: Msg) => void;
  readonly reject: (reason: unknown) => void;
  /** present until it has been sent (M2) */
  send: (() => void) | undefined;
};

export class Mux {
  readonly #nc: NatsConnection;
  readonly #prefix: string;
  readonly #pending = new Map<string, Pending>();
  #connected = true;
  #closed = false;
  #count = 0;

  constructor(nc: NatsConnection, inboxPrefix: string) {
    this.#nc = nc;
    this.#prefix = `${createInbox(inboxPrefix)}.`;
    const at = this.#prefix.length;
    nc.subscribe(`${this.#prefix}*`, {
      callback: (err, msg) => {
        if (err !== null) return; // the inbox itself was refused; the connection's status says so
        const entry = this.#pending.get(msg.subject.slice(at));
        if (entry === undefined) return; // timed out or aborted meanwhile
        if (msg.data.length === 0 && msg.headers?.code === 503) {
          entry.reject(new FlError("FL_NO_RESPONDER", { subject: entry.subject })); // M3
        } else entry.resolve(msg);
      },
    });
  }

  /** @throws FL_NO_RESPONDER, FL_TIMEOUT, FL_CLOSED, or the signal's reason */
  request(subject: string, data: Uint8Array, { timeoutMs, headers, signal }: MuxOptions): Promise<Msg> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new FlError("FL_CLOSED", { subject }));
        return;
      }
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const token = (++this.#count).toString(36);
      const end = (): void => {
        this.#pending.delete(token);
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => entry.reject(signal?.reason);
      const timer = setTimeout(() => entry.reject(new FlError("FL_TIMEOUT", { subject, timeoutMs })), timeoutMs);
      const publish = (): void => {
        entry.send = undefined;
        try {
          this.#nc.publish(subject, data, { reply: this.#prefix + token, ...(headers && { headers }) });
        } catch (e) {
          entry.reject(asPublishError(e, subject));
        }
      };
      const entry: Pending = {
        subject,
        send: publish,
        resolve: (answer) => {
          end();
          resolve(answer);
        },
        reject: (reason) => {
          end();
          reject(reason);
        },
      };
      this.#pending.set(token, entry);
      signal?.addEventListener("abort", onAbort, { once: true });
      if (this.#connected) publish();
    });
  }

  /** M4 */
  denied(subject: string): void {
    for (const entry of [...this.#pending.values()]) {
      if (entry.subject !== subject || entry.send !== undefined) continue;
      entry.reject(new FlError("FL_DENIED", { reason: `publishing on ${subject}`, subject }));
    }
  }

  lost(): void {
    this.#connected = false;
    for (const entry of [...this.#pending.values()]) {
      if (entry.send !== undefined) continue; // M2
      entry.reject(new FlError("FL_TIMEOUT", { reason: "connection lost", subject: entry.subject })); // M1
    }
  }

  back(): void {
    this.#connected = true;
    for (const entry of [...this.#pending.values()]) entry.send?.();
  }

  close(): void {
    this.#closed = true;
    for (const entry of [...this.#pending.values()]) {
      entry.reject(new FlError("FL_CLOSED", { subject: entry.subject }));
    }
  }
}

/** What `publish` throws, in our words. */
export function asPublishError(e: unknown, subject: string): FlError {
  const name = e instanceof Error ? e.name : "";
  if (name === "ClosedConnectionError" || name === "DrainingConnectionError") {
    return new FlError("FL_CLOSED", { subject }, { cause: e });
  }
  const reason = e instanceof Error ? e.message : String(e);
  return new FlError("FL_INTERNAL", { reason, subject }, { cause: e });
}
