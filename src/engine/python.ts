/** The Python worker as a command: which interpreter, and where it finds this installation's package `entente`. */
import { delimiter, join } from "node:path";
import { packageFolder } from "../parts/bundle.ts";
import type { WorkerCommand } from "./worker-process.ts";

/** What runs Python where nothing else is said. */
export const defaultPython = (): string => process.env.ENTENTE_PYTHON || "python3";

export function pythonWorker(python: string = defaultPython(), cwd?: string): WorkerCommand {
  const path = [join(packageFolder("entente") ?? ".", "python"), process.env.PYTHONPATH].filter(Boolean);
  return {
    command: [python, "-m", "entente.worker"],
    cwd,
    // What it would compile belongs neither into an installation nor into an archive's folder.
    env: { PYTHONPATH: path.join(delimiter), PYTHONDONTWRITEBYTECODE: "1" },
  };
}
