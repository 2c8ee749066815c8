/**
 * nats-server from the distribution's own package archive, without root and without touching the system's apt state.
 *
 * Owns reading apt's source entries, choosing the distribution's own among them, and one private apt run.
 * It names no archive: every address and keyring comes from the entries this system already trusts.
 * P1 Only the distribution's own entries are used; third-party ones never are.
 * P2 The lists, the cache and the package live in a directory the caller owns and deletes; nothing is installed.
 * P3 Signatures are checked as on any apt run: `Signed-By` is carried over.
 */
import { access, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "./tool.ts";

/** One archive as apt knows it: both source formats come down to this. */
export type AptEntry = {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** a keyring path, or a key block with its continuation lines as they stood */
  readonly signedBy?: string;
};

/** What to ask the archive for: a suite by name, which only a Debian archive has, or the suites the system itself uses. */
export type Suite = string | typeof own;
export const own = "the system's own suite";
export const newestFirst: readonly Suite[] = ["testing", "trixie", own];

/** The deb822 format (`*.sources`): blank-line separated stanzas, comments anywhere, values may continue. */
export function parseDeb822(text: string): AptEntry[] {
  const entries: AptEntry[] = [];
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  for (const stanza of lines.join("\n").split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    let last = "";
    for (const line of stanza.split("\n")) {
      const field = /^([\w-]+):\s*(.*)$/.exec(line);
      if (field !== null) {
        last = (field[1] ?? "").toLowerCase();
        fields.set(last, (field[2] ?? "").trimEnd());
      } else if (/^\s/.test(line) && last !== "") fields.set(last, `${fields.get(last)}\n${line}`);
    }
    const words = (name: string) => (fields.get(name) ?? "").split(/\s+/).filter((word) => word !== "");
    if (!words("types").includes("deb") || fields.get("enabled")?.toLowerCase() === "no") continue;
    const signedBy = fields.get("signed-by");
    entries.push({
      uris: words("uris"),
      suites: words("suites"),
      components: words("components"),
      ...(signedBy === undefined ? {} : { signedBy }),
    });
  }
  return entries;
}

/** The one-line format (`*.list`): `deb [signed-by=…] uri suite component…`. */
export function parseOneLine(text: string): AptEntry[] {
  const entries: AptEntry[] = [];
  for (const line of text.split("\n")) {
    const found = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (found === null) continue;
    const [, options = "", uri = "", suite = "", components = ""] = found;
    const signedBy = /\bsigned-by=(\S+)/.exec(options)?.[1];
    entries.push({
      uris: [uri],
      suites: [suite],
      components: components.split(/\s+/).filter((word) => word !== ""),
      ...(signedBy === undefined ? {} : { signedBy }),
    });
  }
  return entries;
}

/** P1: the distribution's keyring vouches for an entry; without one named, its archive path does. */
function isDistribution(entry: AptEntry): boolean {
  if (!entry.components.includes("main") && !entry.components.includes("universe")) return false;
  if (entry.signedBy !== undefined && /\/(debian|ubuntu)-archive/.test(entry.signedBy)) return true;
  if (entry.signedBy !== undefined && !entry.signedBy.includes("\n")) return false;
  return entry.uris.every((uri) => /\/(debian|ubuntu)(-security)?(\.list)?\/?$/.test(uri));
}

/** The private sources file for `suite`, or undefined when no entry of this system can serve it. */
export function sourcesFor(suite: Suite, entries: readonly AptEntry[]): string | undefined {
  const wanted = entries.filter(isDistribution).flatMap((entry) => {
    if (suite === own) return [entry];
    // only the main archive has the other suites, security and updates have their own
    const uris = entry.uris.filter((uri) => /\/debian(\.list)?\/?$/.test(uri));
    return uris.length === 0 ? [] : [{ ...entry, uris, suites: [suite], components: ["main"] }];
  });
  const stanzas = wanted.map(
    (entry) =>
      `Types: deb\nURIs: ${entry.uris.join(" ")}\nSuites: ${entry.suites.join(" ")}\nComponents: ${entry.components.join(" ")}\n` +
      (entry.signedBy === undefined ? "" : `Signed-By: ${entry.signedBy}\n`),
  );
  return stanzas.length === 0 ? undefined : [...new Set(stanzas)].join("\n");
}

/** Every source entry of this system; empty where there is no apt. */
export async function systemEntries(etc = "/etc/apt"): Promise<AptEntry[]> {
  const parts = await readdir(join(etc, "sources.list.d")).catch(() => []);
  const files = [join(etc, "sources.list"), ...parts.sort().map((name) => join(etc, "sources.list.d", name))];
  const entries: AptEntry[] = [];
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (file.endsWith(".list")) entries.push(...parseOneLine(text));
    if (file.endsWith(".sources")) entries.push(...parseDeb822(text));
  }
  return entries;
}

/** What apt says when the archive cannot be reached at all: then no other suite of it can be either. */
const outOfReach =
  /Could not resolve|Could not connect|Temporary failure|Connection (timed out|refused)|Network is unreach/;

export class ArchiveOutOfReach extends Error {}

/**
 * Fetches and unpacks the package below `work` (P2) and answers the path of the binary in it.
 * Throws an Error whose message says why not; ArchiveOutOfReach when trying another suite is pointless.
 */
export async function unpackPackage(suite: Suite, work: string, entries?: readonly AptEntry[]): Promise<string> {
  const sources = sourcesFor(suite, entries ?? (await systemEntries()));
  if (sources === undefined) throw new Error("no source entry of the distribution itself in /etc/apt");
  await mkdir(join(work, "lists/partial"), { recursive: true });
  await mkdir(join(work, "cache/archives/partial"), { recursive: true });
  await writeFile(join(work, "private.sources"), sources);
  const settings = {
    "Dir::Etc::sourcelist": join(work, "private.sources"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "Dir::State::Lists": join(work, "lists"),
    "Dir::Cache": join(work, "cache"),
    // the system's setting may name a suite that the private sources lack
    "APT::Default-Release": "",
    // root would otherwise warn that _apt cannot read the work directory
    "APT::Sandbox::User": "root",
    "APT::Update::Error-Mode": "any",
    "Acquire::Languages": "none",
    "Acquire::Retries": "0",
    "Acquire::http::Timeout": "8",
    "Acquire::https::Timeout": "8",
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  const apt = (...verb: string[]) => runTool("apt-get", ["-qq", ...options, ...verb], { cwd: work, limitMs: 180_000 });
  // a hook of the system may fail the update though the lists are here, so the download decides
  const updated = await apt("update");
  const downloaded = await apt("download", "nats-server");
  if (!downloaded.ok) {
    const why = (updated.ok ? downloaded : updated).said;
    throw outOfReach.test(why) ? new ArchiveOutOfReach(why) : new Error(why);
  }
  const deb = (await readdir(work)).find((name) => name.endsWith(".deb"));
  if (deb === undefined) throw new Error("apt-get download left no package");
  const unpacked = await runTool("dpkg-deb", ["-x", join(work, deb), join(work, "root")], { limitMs: 60_000 });
  if (!unpacked.ok) throw new Error(unpacked.said);
  for (const place of ["usr/sbin", "usr/bin"]) {
    const path = join(work, "root", place, "nats-server");
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  throw new Error("the package holds no nats-server");
}
