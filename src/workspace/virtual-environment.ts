/**
 * Installs what a Python workspace asks for into a virtual environment of its own, in the private folder of its archive.
 *
 * VE1 What the site's Python has is there too: a requirement that it meets is not installed again.
 * VE2 pip sees only the lines that src/workspace/requirements.ts has judged. Which index is asked is the site's own
 *     configuration of pip; only wheels are installed, so that nothing of a package runs before the experiment does.
 * VE3 Environment and cache are in the private folder: nothing is left behind, and nothing that an experiment brought reaches
 *     another.
 */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runInstaller } from "./install.ts";
import type { Requirement } from "./requirements.ts";

export type Environment = {
  /** the opened archive */
  readonly dir: string;
  /** a private folder, gone with the workspace */
  readonly scratch: string;
  readonly requirements: readonly Requirement[];
  /** the site's interpreter */
  readonly python: string;
  readonly signal: AbortSignal;
};

/** VE1: one made of an interpreter that is itself in an environment has that one's packages too, not its base's only. */
const MAKE = `
import importlib.util, os, sys, sysconfig, venv
at = sys.argv[1]
venv.create(at, system_site_packages=True, with_pip=importlib.util.find_spec("pip") is None)
if sys.prefix != sys.base_prefix:
    scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
    own = sysconfig.get_path("purelib", scheme, {"base": at, "platbase": at})
    paths = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    with open(os.path.join(own, "_of_the_site.pth"), "w") as file:
        file.write("\\n".join(paths))
`;
const FLAGS = [
  "--only-binary=:all:",
  "--no-input",
  "--disable-pip-version-check",
  "--no-color",
  "--progress-bar=off",
  "-q",
];

/** The environment's interpreter. @throws FL_INSTALL_FAILED with the last lines of what failed; the signal's reason */
export async function installRequirements(environment: Environment): Promise<string> {
  const { dir, scratch, requirements, python, signal } = environment;
  const at = join(scratch, "python");
  await runInstaller(python, ["-c", MAKE, at], scratch, signal);
  const inside = process.platform === "win32" ? join(at, "Scripts", "python.exe") : join(at, "bin", "python");
  const list = join(scratch, "requirements.txt");
  await writeFile(list, requirements.map(({ text, file }) => (file === undefined ? text : join(dir, file))).join("\n"));
  const cache = join(scratch, "cache");
  await runInstaller(inside, ["-m", "pip", "install", "-r", list, "--cache-dir", cache, ...FLAGS], scratch, signal); // VE2
  await rm(cache, { recursive: true, force: true });
  return inside;
}
