/**
 * Who takes part in an experiment, and what it waits for until it starts.
 *
 * C1 All that are wanted take part, as soon as they are online. Once an envoy that lives has had the time to show itself, those
 *    that are online do, if they are enough: never fewer than the quorum, also where that is more than have registered.
 * C2 What an experiment waits for is worked out from the present state whenever it is asked (law L3); only that it begins to
 *    wait is told by itself, once.
 */
import { type Plan, parsePlan, resolveQuorum } from "../../src/plan/plan.ts";
import type { Clock } from "../../src/ports.ts";
import type { ExperimentRecord, Waiting } from "../../src/wire/messages.ts";
import type { Envoys } from "./envoys.ts";

export type Wanted = Pick<Plan, "collaborators" | "quorum">;
type Roll = Pick<Envoys, "names" | "known" | "online" | "onChange" | "patienceMs">;

/** What the machine has in hand. */
export type Standing = { readonly queue: readonly string[]; readonly running: readonly string[] };

type Muster = {
  readonly online: readonly string[];
  /** wanted, and not online */
  readonly away: readonly string[];
  /** how many it takes */
  readonly needed: number;
};

function muster({ collaborators, quorum }: Wanted, envoys: Roll): Muster {
  const asked = collaborators === "all" ? envoys.names() : [...collaborators].sort();
  const online = asked.filter((name) => envoys.online(name));
  const away = asked.filter((name) => !envoys.online(name));
  if (typeof quorum === "number") return { online, away, needed: quorum };
  return { online, away, needed: asked.length === 0 ? 1 : resolveQuorum({ quorum }, asked.length) };
}

/** Resolves to those who take part (C1). `waits` is told if there is anything to wait for, and waited for. */
export async function choose(
  wanted: Wanted,
  envoys: Roll,
  { clock, signal, waits }: { clock: Clock; signal: AbortSignal; waits: (waiting: Waiting) => Promise<void> },
): Promise<readonly string[]> {
  const since = clock.now();
  let told = false;
  for (;;) {
    signal.throwIfAborted();
    const { online, away, needed } = muster(wanted, envoys);
    const left = since + envoys.patienceMs - clock.now();
    if (online.length >= needed && (away.length === 0 || left <= 0)) return online;
    if (!told) {
      told = true;
      await waits(lacking({ online, away, needed }, envoys)); // C2
      continue; // somebody may have come meanwhile
    }
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        cancel();
        end();
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const end = envoys.onChange(wake);
      const cancel = left > 0 ? clock.after(left, wake) : (): void => {};
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}

/**
 * What keeps an experiment from starting; null if nothing does, or it has (C2). Of what is before it, others' names are not
 * told: `shown` says which ones are.
 */
export function waitingOf(
  { name, state, submission }: Pick<ExperimentRecord, "name" | "state" | "submission">,
  { queue, running }: Standing,
  envoys: Roll,
  shown: (experiment: string) => boolean,
): Waiting | null {
  if (state !== "pending") return null;
  const place = queue.indexOf(name);
  if (place >= 0) {
    const all = [...running, ...queue.slice(0, place)];
    const ahead = all.filter(shown);
    const others = all.length - ahead.length;
    const before = [...ahead, ...(others === 0 ? [] : [`${others} of other owners`])];
    return {
      reason: `${all.length === 1 ? "an experiment" : "experiments"} before it: ${listed(before)}`,
      for: [],
      ahead,
    };
  }
  if (!running.includes(name)) return null; // it is being taken in
  const called = muster(parsePlan(submission.plan), envoys);
  return called.online.length >= called.needed && called.away.length === 0 ? null : lacking(called, envoys);
}

function lacking({ online, away, needed }: Muster, envoys: Roll): Waiting {
  const there = online.length + away.length;
  const more = needed - there;
  const named = away.map((name) => (envoys.known(name) ? name : `${name} (has never registered)`));
  const parts = [
    ...(away.length === 0
      ? []
      : [`${away.length === 1 ? "an envoy that is" : "envoys that are"} not online: ${listed(named)}`]),
    ...(more <= 0 ? [] : [`${more}${there > 0 ? " more" : ""} ${more === 1 ? "envoy" : "envoys"} to register`]),
  ];
  return { reason: parts.join(", and "), for: [...away], ahead: [] };
}

const listed = (names: readonly string[]): string => names.join(", ");
