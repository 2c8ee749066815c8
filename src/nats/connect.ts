/**
 * Connects to a NATS server and gives the runtime its bus and its store.
 *
 * C1 A first connection is tried for a moment only, then it is FL_NATS_UNREACHABLE: whoever starts a role wants to know.
 *    Once connected, the connection is kept up for ever.
 * C2 What this connection listens on for itself lies below `_INBOX.{name}`, so that a server can permit it by name.
 */
import { setTimeout as pause } from "node:timers/promises";
import { setSha256Backend } from "@nats-io/obj";
import type { NatsConnection } from "@nats-io/transport-node";
import { FlError } from "../errors.ts";
import type { Bus, Log, Store } from "../ports.ts";
import { token } from "../wire/template.ts";
import { NatsBus } from "./bus.ts";
import { Link } from "./link.ts";
import { isTransient } from "./retry.ts";
import { NatsStore } from "./store.ts";
import { connectGathering } from "./transport.ts";
import { checkServerVersion } from "./version.ts";

export type ConnectOptions = {
  /** one address, or several of one cluster with commas between */
  readonly url: string;
  /** one subject token; the server's monitoring shows it */
  readonly name: string;
  readonly log: Log;
  readonly signal?: AbortSignal | undefined;
};

export type NatsPorts = {
  readonly bus: Bus;
  readonly store: Store;
  readonly serverVersion: string;
  close(): Promise<void>;
};

const TRIES = 5;
const TRY_PAUSE_MS = 150;
const DIAL_TIMEOUT_MS = 2_000;
/** a server that answers none of two pings is given up: 6 s */
const PING_MS = 2_000;

/** @throws FL_NATS_UNREACHABLE, FL_NATS_TOO_OLD, FL_SUBJECT_TOKEN, or the signal's reason */
export async function connectNats({ url, name, log, signal }: ConnectOptions): Promise<NatsPorts> {
  const inboxPrefix = `_INBOX.${token(name, "name")}`; // C2
  setSha256Backend("native");
  const nc = await dial(url, name, inboxPrefix, signal);
  const link = new Link(nc, name, inboxPrefix, log);
  try {
    const serverVersion = nc.info?.version ?? "";
    for (const warning of checkServerVersion(serverVersion).warnings) log.warn({ serverVersion }, warning);
    await jetStreamOf(link, url, signal);
    return { bus: new NatsBus(link), store: new NatsStore(link), serverVersion, close: () => link.close() };
  } catch (e) {
    await link.close();
    throw e;
  }
}

async function dial(url: string, name: string, inboxPrefix: string, signal?: AbortSignal): Promise<NatsConnection> {
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    try {
      return await connectGathering({
        servers: url.split(","),
        name,
        inboxPrefix,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        reconnectJitter: 50,
        pingInterval: PING_MS,
        maxPingOut: 2,
        timeout: DIAL_TIMEOUT_MS,
        noAsyncTraces: true, // a stack captured for each request costs more than the request
      });
    } catch (e) {
      const reason = e instanceof Error ? e.message : String(e);
      const refused = e instanceof Error && e.name === "AuthorizationError";
      if (refused || tries >= TRIES) throw new FlError("FL_NATS_UNREACHABLE", { reason, url }, { cause: e });
    }
    await pause(TRY_PAUSE_MS, undefined, { signal });
  }
}

/** JetStream may still be starting when the server already answers. */
async function jetStreamOf(link: Link, url: string, signal?: AbortSignal): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await link.api("INFO");
      return;
    } catch (e) {
      if (tries < TRIES && isTransient(e)) await pause(TRY_PAUSE_MS, undefined, { signal });
      else throw new FlError("FL_NATS_UNREACHABLE", { reason: "JetStream is not enabled", url }, { cause: e });
    }
  }
}
