/**
 * What every suite shares: a server with a temporary store, rows of figures, and how they are printed.
 *
 * H1 One object a figure: `{suite, case, metric, value, unit}`; with --json one a line and nothing else on stdout.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Server, startServer } from "../src/nats/server.ts";

export type Figure = { suite: string; case: string; metric: string; value: number; unit: string };
export type Report = (name: string, metric: string, value: number, unit: string) => void;
export type Suite = {
  readonly name: string;
  readonly doc: string;
  run(report: Report, flags: readonly string[]): Promise<void>;
};

export async function withServer<T>(use: (server: Server) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "entente-bench-"));
  const server = await startServer({ dir });
  try {
    return await use(server);
  } finally {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** The q-quantile (0 to 1) of unsorted values, by the nearest rank. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}

/** Three significant digits, without an exponent. */
export const shown = (value: number): string =>
  Number.isFinite(value) ? Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 6 }) : "n/a";

export function printTable(figures: readonly Figure[]): void {
  const width = Math.max(...figures.map((f) => f.case.length), 4);
  const metric = Math.max(...figures.map((f) => f.metric.length), 6);
  let last = "";
  for (const f of figures) {
    const name = f.case === last ? "" : f.case;
    last = f.case;
    console.log(`${name.padEnd(width)}  ${f.metric.padEnd(metric)}  ${shown(f.value).padStart(10)} ${f.unit}`);
  }
}
