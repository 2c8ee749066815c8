/**
 * Where the nats-server program comes from: named by the user, installed, cached, or fetched without root.
 *
 * Owns the order of places and the cache; how a place yields a binary is `server-release.ts` and `server-package.ts`.
 * B1 Order: NATS_SERVER, then PATH and the two sbin directories, then the cache, then fetching. NATS_SERVER is an order,
 *    not a hint: when it cannot be used, nothing else is tried.
 * B2 No binary is answered that has not just run here: a newer package may need a newer libc than this system has.
 * B3 A cached or installed server without warnings is preferred to one with; nothing is fetched while any is usable.
 * B4 The cache only ever holds whole, tried binaries: each fetch works in a directory of its own and ends in a rename.
 * B5 Processes that find nothing at the same time fetch once: the others wait for the first and use what it brought.
 */
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { asFlError, FlError } from "../errors.ts";
import { ArchiveOutOfReach, newestFirst, type Suite, unpackPackage } from "./server-package.ts";
import { pinned, unpackRelease } from "./server-release.ts";
import { type Lock, lockDirectory } from "./store-lock.ts";
import { runTool } from "./tool.ts";
import { checkServerVersion, compareVersions, floor, versionIn } from "./version.ts";

export type Binary = {
  readonly path: string;
  readonly version: string;
  /** what this version cannot promise, as sentences for the user */
  readonly warnings: readonly string[];
};

export type LocateOptions = {
  /** default `process.env`; read for NATS_SERVER, PATH, XDG_CACHE_HOME */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** searched after PATH, which an ordinary user's often lacks; default the two sbin directories */
  readonly sbin?: readonly string[];
  /** told in plain words what is being tried */
  readonly log?: (line: string) => void;
  /** default: every way of fetching there is */
  readonly fetchers?: readonly Fetcher[];
};

/** One way to get a binary below a work directory; a failure is an Error whose message says why. */
export type Fetcher = { readonly name: string; readonly unpack: (work: string) => Promise<string> };

function fromSuite(suite: Suite): Fetcher {
  return { name: `the distribution's package (${suite})`, unpack: (work) => unpackPackage(suite, work) };
}

export const packages: readonly Fetcher[] = newestFirst.map(fromSuite);
export const release: Fetcher = {
  name: `the project's release ${pinned.version}`,
  unpack: (work) => unpackRelease(work),
};
/** A released pin comes before the packages; a candidate is only better than nothing. */
export const fetchers: readonly Fetcher[] = pinned.version.includes("-")
  ? [...packages, release]
  : [release, ...packages];

export function cacheDir(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "entente");
}

/** Runs it and reads its version (B2). @throws FL_NATS_TOO_OLD, FL_NATS_NOT_FOUND when it does not run */
export async function probeServer(path: string): Promise<Binary> {
  const ran = await runTool(path, ["--version"], { limitMs: 10_000 });
  const version = versionIn(ran.stdout);
  if (!ran.ok || version === undefined) {
    throw new FlError("FL_NATS_NOT_FOUND", { reason: `${path} does not run: ${ran.said}`, tried: [path] });
  }
  return { path, version, warnings: checkServerVersion(version).warnings };
}

/** The server to start. @throws FL_NATS_NOT_FOUND with every attempt, FL_NATS_TOO_OLD when all there is is too old */
export async function locateServer(options: LocateOptions = {}): Promise<Binary> {
  const env = options.env ?? process.env;
  if (env.NATS_SERVER) return await ordered(env.NATS_SERVER);

  const cache = cacheDir(env);
  const attempts = new Attempts();
  const here = await bestOf([...(await installed(env, options.sbin ?? sbin)), ...(await cached(cache))], attempts);
  if (here !== undefined) return here;

  const turn = await ownTurn(cache, attempts, options.log);
  try {
    return (await bestOf(await cached(cache), new Attempts())) ?? (await fetchInto(cache, options, attempts));
  } finally {
    await turn.release();
  }
}

/** B3 */
async function bestOf(paths: readonly string[], attempts: Attempts): Promise<Binary | undefined> {
  const usable: Binary[] = [];
  for (const path of paths) {
    const binary = await attempts.of(path, () => probeServer(path));
    if (binary !== undefined) usable.push(binary);
  }
  return usable.find((binary) => binary.warnings.length === 0) ?? usable[0];
}

/** B5. Every step of a fetch has a limit of its own and a dead fetcher's lock is taken over, so this wait ends. */
async function ownTurn(cache: string, attempts: Attempts, log?: (line: string) => void): Promise<Lock> {
  for (let waited = false; ; waited = true) {
    try {
      return await lockDirectory(cache, "fetch.lock");
    } catch (e) {
      if (asFlError(e).code !== "FL_LOCKED") {
        attempts.failed(`the cache ${cache}`, `cannot be written: ${asFlError(e).detail.reason}`);
        throw attempts.error();
      }
      if (!waited) log?.("waiting for another process that is fetching nats-server");
      await pause(100);
    }
  }
}

/** Fetches even where a server is installed. `locateServer` does this last; a test does it for one given version. */
export async function fetchServer(options: LocateOptions = {}): Promise<Binary> {
  return await fetchInto(cacheDir(options.env), options, new Attempts());
}

async function fetchInto(cache: string, options: LocateOptions, attempts: Attempts): Promise<Binary> {
  let unreachable = false;
  for (const fetcher of options.fetchers ?? fetchers) {
    if (unreachable && packages.includes(fetcher)) {
      attempts.failed(fetcher.name, "the same archive is out of reach");
      continue;
    }
    options.log?.(`fetching nats-server: ${fetcher.name}`);
    const binary = await attempts.of(fetcher.name, async () => {
      try {
        return await fetchOne(fetcher, cache);
      } catch (e) {
        unreachable ||= e instanceof ArchiveOutOfReach;
        throw e;
      }
    });
    if (binary !== undefined) {
      options.log?.(`fetched nats-server ${binary.version} into ${binary.path}`);
      return binary;
    }
    options.log?.(`not from there: ${attempts.last}`);
  }
  throw attempts.error();
}

/** B4 */
async function fetchOne(fetcher: Fetcher, cache: string): Promise<Binary> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, ".fetch-"));
  try {
    const tried = await probeServer(await fetcher.unpack(work));
    const path = join(cache, `nats-server-${tried.version}`);
    await rename(tried.path, path);
    return { ...tried, path };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** B1 */
async function ordered(path: string): Promise<Binary> {
  try {
    return await probeServer(path);
  } catch (e) {
    const said = asFlError(e);
    throw new FlError(
      said.code,
      { ...said.detail, reason: `NATS_SERVER is set, but ${said.detail.reason}` },
      { cause: e },
    );
  }
}

const sbin = ["/usr/sbin", "/usr/local/sbin"];

async function installed(
  env: Readonly<Record<string, string | undefined>>,
  further: readonly string[],
): Promise<string[]> {
  const folders = [...(env.PATH ?? "").split(delimiter), ...further];
  const paths = [...new Set(folders.filter((folder) => folder !== ""))].map((folder) => join(folder, "nats-server"));
  const there = await Promise.all(
    paths.map((path) =>
      access(path, constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return paths.filter((_, i) => there[i]);
}

async function cached(cache: string): Promise<string[]> {
  const names = (await readdir(cache).catch(() => [])).filter((name) => name.startsWith("nats-server-"));
  const versions = names.map((name) => name.slice("nats-server-".length));
  return versions.sort((a, b) => compareVersions(b, a)).map((version) => join(cache, `nats-server-${version}`));
}

/** What was tried and why each failed, for the one error that ends the search. */
class Attempts {
  readonly #tried: string[] = [];
  #tooOld: string | undefined;

  async of<T>(what: string, attempt: () => Promise<T>): Promise<T | undefined> {
    try {
      return await attempt();
    } catch (e) {
      const error = asFlError(e, "FL_NATS_NOT_FOUND");
      if (error.code === "FL_NATS_TOO_OLD") this.#tooOld ??= String(error.detail.found);
      this.failed(what, String(error.detail.reason));
      return undefined;
    }
  }

  failed(what: string, why: string): void {
    this.#tried.push(`${what}: ${why}`);
  }

  get last(): string {
    return this.#tried.at(-1) ?? "";
  }

  error(): FlError {
    const tried = this.#tried;
    if (this.#tooOld === undefined) return new FlError("FL_NATS_NOT_FOUND", { reason: tried.join("; "), tried });
    const reason = `found ${this.#tooOld}, needed ${floor} or newer; ${tried.join("; ")}`;
    return new FlError("FL_NATS_TOO_OLD", { reason, found: this.#tooOld, needed: floor, tried });
  }
}
