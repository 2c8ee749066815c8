/** A client's ports: a NATS connection, the machine's clock, and a log that is silent unless one is given. */
import { systemClock } from "../clock.ts";
import { Counters } from "../counters.ts";
import { silentLog } from "../log.ts";
import { connectNats } from "../nats/connect.ts";
import type { Credentials } from "../pki/credentials.ts";
import type { Log, Ports } from "../ports.ts";

export type ClientConnection = { readonly ports: Ports; close(): Promise<void> };

/** @throws FL_NATS_UNREACHABLE, FL_TLS, FL_DENIED, FL_NATS_TOO_OLD, FL_SUBJECT_TOKEN */
export async function connect(options: {
  url: string;
  name: string;
  log?: Log | undefined;
  signal?: AbortSignal | undefined;
  credentials?: Credentials | undefined;
}): Promise<ClientConnection> {
  const { url, name, log = silentLog, signal, credentials } = options;
  const nats = await connectNats({ url, name, log, signal, credentials });
  const ports: Ports = { bus: nats.bus, store: nats.store, clock: systemClock, log, counters: new Counters() };
  return { ports, close: () => nats.close() };
}
