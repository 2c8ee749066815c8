/**
 * A whole federation on this machine: bus, Director, Envoys, each in its process, started and stopped in order.
 *
 * W1 Started: bus, Director, Envoys. Stopped the other way round, so that everyone can still say goodbye.
 * W2 One directory, one federation: `<dir>/nats` is the store, `<dir>/logs` what the roles say, `<dir>/running.json` where
 *    other commands find it.
 * W3 Whatever fails on the way, what was started is stopped.
 * W4 With an authority, each process has the certificate of its own; what is missing is issued, one for whoever sits here too.
 */
import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { FlError } from "../errors.ts";
import { type Lock, lockDirectory } from "../nats/store-lock.ts";
import { Authority } from "../pki/authority.ts";
import { type BusNews, startBus } from "./bus.ts";
import { announcePlace, FED, ownerName, type Place, withdrawPlace } from "./place.ts";
import { Processes, type ProcessNews, type Supervised } from "./processes.ts";

export type EnvoySetup = { readonly name: string; readonly shard: Record<string, unknown>; readonly backend?: string };

export type LocalOptions = {
  readonly dir: string;
  readonly nats?: string | undefined;
  readonly port?: number | undefined;
  readonly fed?: string | undefined;
  /** an authority's folder: mutual TLS */
  readonly pki?: string | undefined;
  readonly periodMs: number;
  /** metric sinks that the Director runs */
  readonly sinks?: readonly string[] | undefined;
  /** asked for when the Director is there */
  readonly envoys: (place: Place) => Promise<readonly EnvoySetup[]>;
  readonly log: string;
  readonly signal: AbortSignal;
  onProcess(news: ProcessNews): void;
  onBus(news: BusNews & { fed: string }): void;
  say(line: string): void;
};

export type LocalFederation = {
  readonly url: string;
  readonly fed: string;
  readonly logs: string;
  /** rejects when the federation cannot go on: its bus or its Director is lost for good; never resolves */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
};

/** @throws FL_LOCKED, what `startBus` throws, and the error of a role that never became ready */
export async function startLocal(options: LocalOptions): Promise<LocalFederation> {
  const { signal } = options;
  const dir = resolve(options.dir);
  const fed = options.fed ?? FED;
  const logs = join(dir, "logs");
  await mkdir(dir, { recursive: true });
  /** what is to be stopped, last one first */
  const started: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let end = started.pop(); end !== undefined; end = started.pop()) await end();
  };
  try {
    const lock: Lock = await lockDirectory(dir, "up.lock"); // W2
    started.push(() => lock.release());
    signal.throwIfAborted();
    const setups = options.pki === undefined ? undefined : await options.envoys({ url: "", fed });
    const issued =
      options.pki === undefined
        ? undefined
        : await issueMissing(
            options.pki,
            (setups ?? []).map((e) => e.name),
          );
    const bus = await startBus({
      pki: options.pki === undefined ? undefined : { dir: options.pki, name: HUB },
      dir,
      url: options.nats,
      port: options.port,
      log: options.say,
      news: (news) => options.onBus({ ...news, fed }),
    });
    started.push(() => bus.stop());
    signal.throwIfAborted();
    let lost = (_: FlError): void => {};
    const directorLost = new Promise<never>((_, reject) => {
      lost = reject;
    });
    directorLost.catch(() => {});
    const processes = new Processes(logs, { url: bus.url, fed, log: options.log }, (news) => {
      options.onProcess(news);
      if (news.role === "director" && news.state === "failed") lost(news.error!);
    });
    const { periodMs, sinks = [] } = options;
    const director = await processes.start(
      "director",
      "director",
      { periodMs, sinks, ...issued?.("director", "director") },
      signal,
    );
    started.push(() => director.stop());
    const running = new Set<Supervised>();
    started.push(async () => {
      await Promise.all([...running].map((envoy) => envoy.stop()));
    });
    await all(setups ?? (await options.envoys({ url: bus.url, fed })), signal, async ({ name, ...config }, within) => {
      running.add(await processes.start("envoy", name, { ...config, ...issued?.("envoy", name) }, within));
    });
    await announcePlace(dir, { url: bus.url, fed });
    started.push(() => withdrawPlace(dir));
    return { url: bus.url, fed, logs, failed: Promise.race([bus.failed, directorLost]), stop };
  } catch (e) {
    await stop(); // W3
    throw e;
  }
}

const HUB = "hub";
const CERTIFICATE_DAYS = 365;

/** W4: where the certificate of whom lies */
async function issueMissing(
  dir: string,
  envoys: readonly string[],
): Promise<(kind: "director" | "envoy", name: string) => { creds: string }> {
  const authority = await Authority.open(dir);
  const wanted = [
    { kind: "server", name: HUB, hosts: ["127.0.0.1", "localhost", hostname()] },
    { kind: "director", name: "director" },
    { kind: "manager", name: ownerName() },
    ...envoys.map((name) => ({ kind: "envoy", name })),
  ];
  for (const one of wanted) {
    if (authority.entries.some(({ kind, name }) => kind === one.kind && name === one.name)) continue;
    await authority.issue({ ...one, days: CERTIFICATE_DAYS, now: Date.now() });
  }
  return (kind, name) => ({ creds: resolve(authority.folder({ kind, name })) });
}

/** All at once; the first that fails ends the others, and is thrown when they have ended. */
async function all<T>(
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T, within: AbortSignal) => Promise<void>,
): Promise<void> {
  const others = new AbortController();
  const within = AbortSignal.any([signal, others.signal]);
  let failure: unknown;
  await Promise.all(
    items.map((item) =>
      work(item, within).catch((e: unknown) => {
        failure ??= e;
        others.abort(e);
      }),
    ),
  );
  if (failure !== undefined) throw failure;
}
