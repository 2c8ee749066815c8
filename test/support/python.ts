/**
 * Python, where this machine has it: with NumPy and msgpack (the worker's), and with PyTorch.
 *
 * PY1 Workers compute on one thread each: results repeat bit for bit, and several do not fight for two cores.
 * PY2 A test that needs what is not there is skipped, and its title says what is missing.
 */
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { ExecutionContext, TestFn } from "ava";

process.env.OMP_NUM_THREADS ??= "1"; // PY1

const candidates = [process.env.ENTENTE_PYTHON, "python3", "/usr/bin/python3"].filter((p) => p !== undefined);
const has = (python: string, ...modules: readonly string[]): boolean => {
  const script = `import importlib.util as u, sys; sys.exit(not all(u.find_spec(m) for m in ${JSON.stringify(modules)}))`;
  return spawnSync(python, ["-c", script]).status === 0;
};
const WORKER = ["numpy", "msgpack"];
const withTorch = candidates.find((p) => has(p, ...WORKER, "torch"));

/** An interpreter for workers: one with PyTorch, if any has it. */
export const python = withTorch ?? candidates.find((p) => has(p, ...WORKER));

export const hasTorch = withTorch !== undefined;

type Need = "python" | "torch" | "pip";

const missing = (what: Need): string | undefined => {
  if (python === undefined) return "no python3 with numpy and msgpack";
  if (what === "torch" && withTorch === undefined) return `no torch for ${python}`;
  const installs = what !== "pip" || has(python, "venv", "pip") || has(python, "venv", "ensurepip");
  return installs ? undefined : `neither pip nor ensurepip for ${python}`;
};

type Body = (t: ExecutionContext) => Promise<void> | void;

/** `test`, or a skipped one that says why (PY2). */
export function needing(test: TestFn, what: Need): (title: string, body: Body) => void {
  const why = missing(what);
  return (title, body) => {
    if (why === undefined) test.serial(title, body);
    else test.skip(`${title} (${why})`, body);
  };
}

/** Memory that a process has in its hands, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const pages = (await readFile(`/proc/${pid}/statm`, "utf8")).split(" ")[1];
  return Number(pages) * 4096;
}
