/**
 * Connects to a NATS server and gives the runtime its bus and its store.
 *
 * C1 A first connection is tried for a moment only, then it is FL_NATS_UNREACHABLE: whoever starts a role wants to know.
 *    Once connected, the connection is kept up for ever.
 * C2 What this connection listens on for itself lies below `_INBOX.{name}`, so that a server can permit it by name.
 * C3 With certificates of an authority of ours nobody but the Director's side may ask JetStream for anything but the few
 *    reads that are its own (src/wire/permissions.ts): the others' connections are `confined`, and do not try.
 */
import { setTimeout as pause } from "node:timers/promises";
import { setSha256Backend } from "@nats-io/obj";
import type { NatsConnection } from "@nats-io/transport-node";
import { FlError } from "../errors.ts";
import type { Credentials } from "../pki/credentials.ts";
import type { Bus, Log, Store } from "../ports.ts";
import { token } from "../wire/template.ts";
import { NatsBus } from "./bus.ts";
import { Link } from "./link.ts";
import { isTransient } from "./retry.ts";
import { NatsStore } from "./store.ts";
import { connectGathering, HUNG_UP } from "./transport.ts";
import { checkServerVersion } from "./version.ts";

export type ConnectOptions = {
  /** one address, or several of one cluster with commas between */
  readonly url: string;
  /** one subject token; the server's monitoring shows it */
  readonly name: string;
  readonly log: Log;
  readonly signal?: AbortSignal | undefined;
  /** mutual TLS; default: none */
  readonly credentials?: Credentials | undefined;
};

export type NatsPorts = {
  readonly bus: Bus;
  readonly store: Store;
  readonly serverVersion: string;
  /** Resolves once the connection is closed for good: why, if the server lets this name in no more. */
  readonly over: Promise<FlError | undefined>;
  close(): Promise<void>;
};

const TRIES = 5;
const TRY_PAUSE_MS = 150;
const DIAL_TIMEOUT_MS = 2_000;
/** a server that answers none of two pings is given up: 6 s */
const PING_MS = 2_000;

/** @throws FL_NATS_UNREACHABLE, FL_DENIED, FL_TLS, FL_NATS_TOO_OLD, FL_SUBJECT_TOKEN, or the signal's reason */
export async function connectNats(options: ConnectOptions): Promise<NatsPorts> {
  const { url, name, log, signal, credentials } = options;
  const inboxPrefix = `_INBOX.${token(name, "name")}`; // C2
  setSha256Backend("native");
  const nc = await dial(options, inboxPrefix);
  const identity = credentials?.identity;
  const confined = identity !== undefined && identity.kind !== "director"; // C3
  const link = new Link(nc, { name, inboxPrefix, log, confined });
  try {
    const serverVersion = nc.info?.version ?? "";
    for (const warning of checkServerVersion(serverVersion).warnings) log.warn({ serverVersion }, warning);
    if (!confined) await jetStreamOf(link, url, signal);
    return {
      bus: new NatsBus(link),
      store: new NatsStore(link),
      serverVersion,
      over: link.over,
      close: () => link.close(),
    };
  } catch (e) {
    await link.close();
    throw e;
  }
}

async function dial({ url, name, signal, credentials }: ConnectOptions, inboxPrefix: string): Promise<NatsConnection> {
  const tls = credentials && { ca: credentials.ca, cert: credentials.cert, key: credentials.key };
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
        ...(tls && { tls }),
      });
    } catch (e) {
      const known = refusal(e, url, tries);
      if (known !== undefined) throw known;
      const reason = e instanceof Error ? e.message : String(e);
      if (tries >= TRIES) throw new FlError("FL_NATS_UNREACHABLE", { reason, url }, { cause: e });
    }
    await pause(TRY_PAUSE_MS, undefined, { signal });
  }
}

/** What trying again does not help against. */
function refusal(e: unknown, url: string, tries: number): FlError | undefined {
  if (e instanceof FlError && e.code === "FL_TLS") return e;
  if (!(e instanceof Error)) return undefined;
  if (e.name === "AuthorizationError") return new FlError("FL_DENIED", { reason: e.message, url }, { cause: e });
  if (e.message.includes("does not support 'tls'"))
    return new FlError("FL_TLS", { reason: "the server has none", url });
  const of = (error: unknown): string => String((error as { code?: unknown } | undefined)?.code ?? "");
  const code = of(e) || of(e.cause);
  if (code === HUNG_UP && tries === 1) return undefined; // it may have been leaving
  if (!/^(ERR_SSL|ERR_TLS|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/.test(code)) return undefined;
  const alert = code === HUNG_UP ? e.message : /alert ([a-z ]+)/.exec(e.message)?.[1];
  const reason = alert === undefined ? `the server's: ${e.message}` : `the server does not take it: ${alert}`;
  return new FlError("FL_TLS", { reason, url, code }, { cause: e });
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
