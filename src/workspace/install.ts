/**
 * Installs what an archive asks for beside its files, into the private folder it was opened in.
 *
 * IN1 npm sees a package.json of ours, in a folder of its own: nothing else that the archive holds (scripts, .npmrc, lock files)
 *     has a say. Which registry is asked is the site's own npm configuration.
 * IN2 Install scripts do not run. What is installed runs with the experiment and nowhere else.
 * IN3 The cache is in the same private folder: nothing is left behind, and nothing that an experiment brought reaches another.
 * IN4 The runtime's own packages and what the archive brings itself stay what they are.
 * IN5 An abort ends the installer with all that it has started.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { FlError } from "../errors.ts";
import { PROVIDED } from "../parts/bundle.ts";
import { type Dependencies, fileOf, PACKAGE } from "./dependencies.ts";

const TAIL_LINES = 20;
const FLAGS = [
  ...["--install-links", "--ignore-scripts", "--no-package-lock", "--omit=dev", "--no-audit", "--no-fund"],
  ...["--no-update-notifier", "--logs-max=0", "--loglevel=error", "--color=false", "--progress=false"],
];

export type Installation = {
  /** the opened archive */
  readonly dir: string;
  /** a private folder on the same file system, gone with the workspace */
  readonly scratch: string;
  readonly dependencies: Dependencies;
  readonly signal: AbortSignal;
  /** @default "npm" */
  readonly command?: string;
};

/** @throws FL_INSTALL_FAILED with the installer's last lines; the signal's reason */
export async function installDependencies(installation: Installation): Promise<void> {
  const { dir, scratch, dependencies, signal, command = "npm" } = installation;
  const prefix = join(scratch, "install");
  await mkdir(prefix, { mode: 0o700 });
  const asked = Object.entries(dependencies).map(([name, spec]) => {
    const path = fileOf(spec);
    return [name, path === undefined ? spec : `file:${join(dir, path)}`];
  });
  await writeFile(join(prefix, PACKAGE), JSON.stringify({ private: true, dependencies: Object.fromEntries(asked) })); // IN1
  const args = ["install", "--prefix", prefix, "--cache", join(scratch, "cache"), ...FLAGS]; // IN3
  await runInstaller(command, args, prefix, signal);
  for (const name of await packagesIn(join(prefix, "node_modules"))) {
    const to = join(dir, "node_modules", name);
    if (PROVIDED.test(name) || (await stat(to).catch(() => undefined)) !== undefined) continue; // IN4
    await mkdir(dirname(to), { recursive: true });
    await rename(join(prefix, "node_modules", name), to);
  }
  await Promise.all([prefix, join(scratch, "cache")].map((d) => rm(d, { recursive: true, force: true })));
}

export async function runInstaller(
  command: string,
  args: readonly string[],
  cwd: string,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const windows = process.platform === "win32";
  const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"], detached: !windows, shell: windows });
  const end = (): void => {
    try {
      if (windows || child.pid === undefined) child.kill();
      else process.kill(-child.pid, "SIGKILL"); // IN5
    } catch {
      // it has ended by itself
    }
  };
  signal.addEventListener("abort", end, { once: true });
  const tail: string[] = [];
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      tail.push(line.slice(0, 500));
      if (tail.length > TAIL_LINES) tail.shift();
    });
  }
  const failed = (how: string, cause?: unknown) =>
    new FlError("FL_INSTALL_FAILED", { reason: how, tail: [...tail] }, { cause });
  try {
    const [code, killer] = (await once(child, "close")) as [number | null, string | null];
    signal.throwIfAborted();
    if (code !== 0) throw failed(`${command} ended with ${code === null ? killer : `status ${code}`}`);
  } catch (e) {
    if (signal.aborted || e instanceof FlError) throw e;
    throw failed(`${command} could not be started: ${e instanceof Error ? e.message : String(e)}`, e);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** Names of the packages in a node_modules folder, scoped ones with their scope. */
async function packagesIn(modules: string): Promise<string[]> {
  const names = (await readdir(modules).catch(() => [])).filter((name) => !name.startsWith("."));
  const nested = names.map(async (name) =>
    name.startsWith("@") ? (await readdir(join(modules, name))).map((inner) => `${name}/${inner}`) : [name],
  );
  return (await Promise.all(nested)).flat();
}
