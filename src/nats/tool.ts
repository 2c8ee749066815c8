/**
 * Runs a short-lived program of the system to its end and says what it said.
 *
 * X1 Never throws and never outlives its limit: a missing program, a failure and a timeout are all `ok: false`.
 * X2 The program speaks C-locale English, because callers look for words in it.
 */
import { execFile } from "node:child_process";

export type Said = {
  readonly ok: boolean;
  readonly stdout: string;
  /** why it failed, in its own last words, on one line */
  readonly said: string;
};

export function runTool(
  file: string,
  args: readonly string[],
  options: { cwd?: string; limitMs: number },
): Promise<Said> {
  const env = { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  const cwd = options.cwd === undefined ? {} : { cwd: options.cwd };
  return new Promise((resolve) => {
    execFile(file, args, { ...cwd, env, timeout: options.limitMs, killSignal: "SIGKILL" }, (error, stdout, stderr) => {
      const words = stderr.trim() || stdout.trim();
      if (error === null) return resolve({ ok: true, stdout, said: words });
      const why = error.killed === true ? `no end within ${options.limitMs} ms` : (error.message.split("\n")[0] ?? "");
      const lines = (words || why).split("\n").slice(-4);
      resolve({ ok: false, stdout, said: lines.map((line) => line.trim()).join(" | ") });
    });
  });
}
