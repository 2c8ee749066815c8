/** An experiment's record as its Director makes it, for tests that need one. */
import { planned, submitted } from "../../actors/director/lifecycle.ts";
import type { ExperimentRecord } from "../../src/wire/messages.ts";

type More = Partial<ExperimentRecord> & { readonly plan?: Record<string, unknown> };

export function recordOf(name: string, { plan = {}, ...more }: More = {}): ExperimentRecord {
  const archive = { digest: "0".repeat(64), bytes: 1 };
  const submission = { v: 1 as const, name, plan: { version: 1, rounds: 1, ...plan }, archive };
  return { ...planned(submitted(submission, { owner: "ann", seq: 1, at: 0 })), ...more };
}
