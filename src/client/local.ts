/**
 * A federation in this process, for notebooks and scripts: the roles' own entrypoints (actors/entrypoint.ts), on a world in memory.
 *
 * LO1 No round loop and no aggregation of its own: what a role does here is what it does as a process.
 * LO2 It begins when every collaborator has registered, and has ended when nothing of it runs any more, whatever it was at.
 */
import { forkRole } from "../../actors/child/fork.ts";
import type { ChildRun } from "../../actors/child/machine.ts";
import { holdShard } from "../../actors/envoy/shard.ts";
import type { ShardDescriptor } from "../data/shard.ts";
import { FlError, fromWire } from "../errors.ts";
import { silentLog } from "../log.ts";
import { openWorld } from "../memory/worlds.ts";
import type { Log, Ports } from "../ports.ts";
import { token } from "../wire/template.ts";

type Params = Readonly<Record<string, unknown>>;

export type LocalCollaborator = {
  /** @default "envoy-1" and so on */
  readonly name?: string | undefined;
  /** @default the one for all */
  readonly shard?: string | ShardDescriptor | undefined;
  /** beside those for all */
  readonly params?: Params | undefined;
};

export type LocalOptions = {
  /** how many, or each of them. @default 3 */
  readonly collaborators?: number | readonly LocalCollaborator[] | undefined;
  /** a built-in one, a module's path, or a shard that is defined here. @default "mnist" */
  readonly shard?: string | ShardDescriptor | undefined;
  /** handed to each shard's `load`, with `part` and `parts` where there are several */
  readonly params?: Params | undefined;
  /** how many experiments run at the same time, on the same collaborators. @default 1 */
  readonly limit?: number | undefined;
  /** the federation's name. @default "main" */
  readonly fed?: string | undefined;
  /** who submits and asks. @default "owner" */
  readonly name?: string | undefined;
  /** forces the engine's backend: node-gpu, node, wasm or cpu */
  readonly backend?: string | undefined;
  /** where all roles log. @default nowhere */
  readonly log?: Log | undefined;
};

export type LocalFederation = {
  readonly ports: Ports;
  readonly fed: string;
  readonly name: string;
  close(): Promise<void>;
};

const PERIOD_MS = 1_000;

/** @throws FL_PART_UNKNOWN, FL_SHARD_INVALID, FL_SUBJECT_TOKEN, FL_USAGE */
export async function startLocal(options: LocalOptions = {}): Promise<LocalFederation> {
  const { limit = 1, fed = "main", name = "owner", log = silentLog } = options;
  for (const [what, text] of Object.entries({ federation: fed, owner: name })) token(text, what);
  const envoys = envoysOf(options);
  const { url, world, close } = openWorld({ log });
  /** what is to be ended, last one first */
  const started: (() => Promise<unknown>)[] = [async () => close()];
  const end = async (): Promise<void> => {
    for (let next = started.pop(); next !== undefined; next = started.pop()) await next();
  };
  const start = async (role: string, config: Record<string, unknown>): Promise<() => Promise<unknown>> => {
    const stop = new AbortController();
    let run: Promise<ChildRun> = Promise.resolve({ how: "left" });
    const leave = (): Promise<unknown> => {
      stop.abort();
      return run;
    };
    await new Promise<void>((ready, reject) => {
      run = forkRole({ role, config: { url, fed, ...config } }, { signal: stop.signal, log, onReady: () => ready() });
      run.then((ended) => reject(failureOf(role, ended)));
    });
    return leave;
  };
  try {
    started.push(await start("director", { name: "director", limit, share: true, periodMs: PERIOD_MS }));
    const running = await Promise.allSettled(
      envoys.map(async ({ shard, params, ...config }) => {
        const { use, release } = typeof shard === "string" ? { use: shard, release: () => {} } : holdShard(shard);
        const leave = await start("envoy", { ...config, shard: { use, params } }).catch((e) => {
          release();
          throw e;
        });
        return async () => {
          await leave();
          release();
        };
      }),
    );
    const ends = running.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    started.push(() => Promise.all(ends.map((leave) => leave())));
    const failed = running.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const ports = world.ports(name);
    started.push(() => ports.bus.close());
    return { ports, fed, name, close: end };
  } catch (e) {
    await end();
    throw e;
  }
}

function failureOf(role: string, ended: ChildRun): FlError {
  return ended.how === "failed" ? fromWire(ended.error) : new FlError("FL_CLOSED", { reason: `${role} ended` });
}

type Envoy = {
  readonly name: string;
  readonly shard: string | ShardDescriptor;
  readonly params: Params;
  readonly backend?: string;
};

function envoysOf({ collaborators = 3, shard = "mnist", params = {}, backend }: LocalOptions): Envoy[] {
  if (typeof collaborators === "number" && !(Number.isSafeInteger(collaborators) && collaborators > 0)) {
    throw new FlError("FL_USAGE", { reason: `collaborators is ${collaborators}, it must be a whole number from 1 up` });
  }
  const given: readonly LocalCollaborator[] =
    typeof collaborators === "number" ? Array.from({ length: collaborators }, () => ({})) : collaborators;
  const parts = given.length;
  const envoys = given.map((one, part) => ({
    name: token(one.name ?? `envoy-${part + 1}`, "collaborator"),
    shard: one.shard ?? shard,
    params: { ...(parts > 1 ? { part, parts } : {}), ...params, ...one.params },
    ...(backend === undefined ? {} : { backend }),
  }));
  const names = new Set(envoys.map((envoy) => envoy.name));
  if (names.size < Math.max(parts, 1)) {
    throw new FlError("FL_USAGE", {
      reason: parts === 0 ? "there are no collaborators" : "two collaborators have one name",
    });
  }
  return envoys;
}
