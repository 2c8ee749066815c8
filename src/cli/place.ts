/**
 * Which federation a command means: the one named by --nats, or the one that `up` or `demo` runs in --dir.
 *
 * P1 `up` and `demo` leave their address in the directory for as long as they run; the address of a process that is gone
 *    counts for nothing.
 */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { Federation } from "../client/federation.ts";
import { FlError } from "../errors.ts";
import { processStart } from "../nats/store-lock.ts";
import { loadCredentials, type TlsSettings, tlsSettings } from "../pki/credentials.ts";
import { interruption } from "./signals.ts";

export const DIR = ".entente";
export const FED = "main";
const FILE = "running.json";

const running = z.object({ url: z.string(), fed: z.string(), pid: z.int().positive(), start: z.string() });

export type Place = { readonly url: string; readonly fed: string };
export type PlaceOptions = { readonly nats?: string; readonly fed?: string; readonly dir: string } & TlsSettings;
export type OwnerOptions = PlaceOptions & { readonly owner?: string };

/** Gives a command the options that say which federation it means. */
export const withPlace = (command: Command): Command =>
  command
    .option("--nats <url>", "address of the NATS server; default: the one that up or demo runs in --dir")
    .option("--fed <name>", `the federation's name (default: the certificate's, else "${FED}")`)
    .option("--dir <path>", "where up keeps its state", DIR)
    .option("--creds <path>", tlsSettings.creds.description)
    .option("--tls-ca <path>", tlsSettings.tlsCa.description)
    .option("--tls-cert <path>", tlsSettings.tlsCert.description)
    .option("--tls-key <path>", tlsSettings.tlsKey.description);

/** Gives a command of an owner's the options that say which federation it means, and whose. */
export const withOwner = (command: Command): Command =>
  withPlace(command).option(
    "--owner <word>",
    "the name that experiments are yours by; default: the certificate's, else your user name",
  );

/** `initial`: the federation if nothing else says. @throws FL_NOT_RUNNING */
export async function findPlace({ nats, fed, dir }: PlaceOptions, initial = FED): Promise<Place> {
  if (nats !== undefined) return { url: nats, fed: fed ?? initial };
  const found = (await runningIn(dir)) ?? (await runningIn(join(dir, "demo")));
  if (found === undefined) throw new FlError("FL_NOT_RUNNING", { reason: `nothing runs in ${dir}`, dir });
  return { url: found.url, fed: fed ?? found.fed };
}

async function runningIn(dir: string): Promise<Place | undefined> {
  try {
    const found = running.parse(JSON.parse(await readFile(join(dir, FILE), "utf8")));
    return processStart(found.pid) === found.start ? found : undefined; // P1
  } catch {
    return undefined; // none, or one that was being written when its owner died
  }
}

/** Tells where the federation of this process is. */
export async function announcePlace(dir: string, { url, fed }: Place): Promise<void> {
  const file = join(dir, FILE);
  await writeFile(
    `${file}.part`,
    JSON.stringify({ url, fed, pid: process.pid, start: processStart(process.pid) ?? "" }),
  );
  await rename(`${file}.part`, file);
}

export const withdrawPlace = (dir: string): Promise<void> => rm(join(dir, FILE), { force: true });

/** Connects, does the work, closes. */
export async function withFederation<T>(
  { owner, creds, tlsCa, tlsCert, tlsKey, ...options }: OwnerOptions,
  work: (federation: Federation) => Promise<T>,
): Promise<T> {
  const settings = { creds, tlsCa, tlsCert, tlsKey };
  const credentials = await loadCredentials(settings, Date.now());
  const { url: nats, fed } = await findPlace(options, credentials?.identity?.fed);
  const own = credentials?.identity?.kind === "manager" ? credentials.identity.name : ownerName();
  const federation = await Federation.connect({
    ...{ nats, fed, name: owner ?? own },
    ...(credentials === undefined ? {} : { tls: settings }),
    signal: interruption(),
  });
  try {
    return await work(federation);
  } finally {
    await federation.close();
  }
}

/** Whoever sits here, as a name on the network. */
export function ownerName(): string {
  try {
    return (
      userInfo()
        .username.replace(/[^A-Za-z0-9_-]/g, "-")
        .slice(0, 48) || "owner"
    );
  } catch {
    return "owner"; // a user without an account, as in some containers
  }
}
