/**
 * nats-server from the project's own release archives.
 *
 * Owns the pinned version, its digests, and one download.
 * A1 Nothing is unpacked before its SHA-256 equals the pinned one; a platform without a pinned digest is not served.
 * A2 The digests are those the project publishes in the Dockerfiles of its official image (nats-io/nats-docker,
 *    2.12.x/alpine3.22). They name Linux archives only, so macOS has no entry here.
 * A3 The pin is the newest version whose digests could be established, a candidate. That is why the distribution's
 *    package is asked first (`server-binary.ts`). To move the pin, replace the version and every digest together.
 */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { extract } from "tar";

export type Release = {
  readonly version: string;
  /** where the archives lie: `<base>/v<version>/nats-server-v<version>-<platform>.tar.gz` */
  readonly base: string;
  /** platform (`linux-amd64`) → SHA-256 of its archive, hexadecimal */
  readonly sha256: Readonly<Record<string, string>>;
};

export const pinned: Release = {
  version: "2.12.5-RC.1",
  base: "https://github.com/nats-io/nats-server/releases/download",
  sha256: {
    "linux-amd64": "87873fd10720c4c3884e4c068ae9a7d001ed547a94857b165ba0c25a6efd3f42",
    "linux-arm64": "2db1744612c8423c0941cf2e5ba102361b716b2377d3f4f2d4aa68b27f90343d",
  },
};

/** This machine in the words of the archives' names. */
export function platformName(os: string = process.platform, arch: string = process.arch): string {
  return `${os}-${arch === "x64" ? "amd64" : arch}`;
}

/** an address that does not answer within this is out of reach; the download itself may take longer */
const connectMs = 4_000;
const downloadMs = 180_000;

async function download(url: string): Promise<Buffer> {
  const stop = new AbortController();
  const late = (limitMs: number) => setTimeout(() => stop.abort(new Error(`no answer within ${limitMs} ms`)), limitMs);
  let timer = late(connectMs);
  try {
    const reply = await fetch(url, { signal: stop.signal });
    clearTimeout(timer);
    timer = late(downloadMs);
    if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
    return Buffer.from(await reply.arrayBuffer());
  } catch (e) {
    // fetch hides the network's own words one level down
    const inner = e instanceof Error && e.cause instanceof Error ? e.cause : e;
    throw new Error(`${url}: ${inner instanceof Error ? inner.message : String(inner)}`, { cause: e });
  } finally {
    clearTimeout(timer);
  }
}

/** Downloads, checks (A1) and unpacks below `work`; answers the binary's path. Throws an Error that says why not. */
export async function unpackRelease(work: string, release = pinned, platform = platformName()): Promise<string> {
  const digest = release.sha256[platform];
  if (digest === undefined) throw new Error(`no digest is pinned for ${platform}`);
  const name = `nats-server-v${release.version}-${platform}`;
  const archive = await download(`${release.base}/v${release.version}/${name}.tar.gz`);
  const found = createHash("sha256").update(archive).digest("hex");
  if (found !== digest) throw new Error(`${name}.tar.gz has SHA-256 ${found}, pinned is ${digest}`);
  await mkdir(work, { recursive: true });
  await writeFile(join(work, "archive.tar.gz"), archive);
  await extract({ file: join(work, "archive.tar.gz"), cwd: work, strip: 1 }, [`${name}/nats-server`]);
  return join(work, "nats-server");
}
