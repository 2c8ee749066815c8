/**
 * The bus of `up` and `demo`: a nats-server of our own that is started again when it dies, or one that is there already.
 *
 * N1 A server that died comes back on the same port with the same store: its clients reconnect by themselves.
 * N2 One that dies MOST times within WITHIN_MS is not started again: `failed` tells why.
 * N3 With an authority, the server lets its members in, and cuts off who is not one any more.
 */
import { join } from "node:path";
import { FlError } from "../errors.ts";
import { readInfo } from "../nats/info.ts";
import { followMembers, securedBy } from "../nats/members.ts";
import { type Server, startServer } from "../nats/server.ts";

const MOST = 3;
const WITHIN_MS = 30_000;
const ANSWER_MS = 3_000;

export type BusNews = {
  readonly url: string;
  readonly version: string | null;
  readonly pid: number | null;
  /** the authority's */
  readonly fed?: string | undefined;
};
export type RunningBus = {
  readonly url: string;
  /** rejects when the bus is lost for good; never resolves */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
};

export type BusOptions = {
  readonly dir: string;
  readonly url?: string | undefined;
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  /** N3: the authority's folder, and the server's name there */
  readonly pki?: { readonly dir: string; readonly name: string } | undefined;
  readonly log: (line: string) => void;
  /** told whenever a server is there */
  readonly news: (news: BusNews) => void;
};

/** @throws FL_LOCKED, FL_NATS_START, FL_NATS_NOT_FOUND, FL_NATS_TOO_OLD, FL_NATS_UNREACHABLE */
export async function startBus({ dir, url, port, host, pki, log, news }: BusOptions): Promise<RunningBus> {
  if (url !== undefined) {
    await reachable(url);
    news({ url, version: null, pid: null });
    return { url, failed: new Promise(() => {}), stop: async () => {} };
  }
  const start = async (at: number | undefined): Promise<Server> => {
    const secured = pki === undefined ? undefined : await securedBy(pki.dir, pki.name);
    const place = { dir: join(dir, "nats"), host, secured, ...(at === undefined ? {} : { port: at }) };
    const server = await startServer({ ...place, log });
    for (const warning of server.warnings) log(warning);
    news({ ...server, fed: secured?.fed });
    return server;
  };
  let server = await start(port);
  const unfollow = pki === undefined ? undefined : followMembers(pki.dir, (list) => server.admit(list), log); // N3
  const at = Number(new URL(server.url).port);
  let stopping = false;
  let keeping: Promise<void> = Promise.resolve();
  const failed = new Promise<never>((_, reject) => {
    const keep = async (): Promise<void> => {
      const deaths: number[] = [];
      for (;;) {
        const { code, signal } = await server.exited;
        if (stopping) return;
        const how = signal ?? `status ${code}`;
        deaths.push(performance.now());
        const recent = deaths.filter((d) => performance.now() - d < WITHIN_MS);
        if (recent.length >= MOST) {
          throw new FlError("FL_NATS_START", {
            reason: `it died ${MOST} times in a row (${how})`,
            log: join(dir, "nats", "server.log"),
          });
        }
        log(`nats-server ended (${how}); starting it again`);
        server = await start(at); // N1
      }
    };
    keeping = keep().catch(reject);
  });
  failed.catch(() => {});
  return {
    url: server.url,
    failed,
    stop: async () => {
      stopping = true;
      unfollow?.();
      await server.stop();
      await keeping;
      await server.stop(); // one that was just coming up
    },
  };
}

/** One of the addresses answers: a wrong one is said at once, where roles would go on trying. */
async function reachable(urls: string): Promise<void> {
  const found = await Promise.allSettled(urls.split(",").map((url) => readInfo(url.trim(), ANSWER_MS)));
  const first = found[0];
  if (found.every((f) => f.status === "rejected") && first?.status === "rejected") throw first.reason;
}
