/**
 * Which experiments start, and with whom; and what the others wait for.
 *
 * C1 All that are wanted take part, as soon as they are online. Once an envoy that lives has had the time to show itself, those
 *    that are online do, if they are enough: never fewer than the quorum, also where that is more than have registered. One
 *    that was paused goes on with those it had.
 * C2 What an experiment waits for is worked out from the present state whenever it is asked (law L3), and told to each owner
 *    without the names of others' experiments.
 * C3 The line: higher priority first; among equals one that was paused, then the order of submission.
 * C4 An envoy runs one experiment at a time, unless they may share it.
 * C5 Where there is room for one at a time, nothing overtakes the first in line. Where there is room for more, one that waits
 *    for envoys holds up nothing behind it; but what it waits for as it is busy is kept for it from lower priorities.
 */
import { resolveQuorum } from "../../src/plan/plan.ts";
import type { Waiting } from "../../src/wire/messages.ts";
import type { Envoys } from "./envoys.ts";
import type { Wanted } from "./wanted.ts";

export type Roll = Pick<Envoys, "names" | "known" | "online" | "patienceMs">;

export type Candidate = {
  readonly name: string;
  readonly seq: number;
  readonly priority: number;
  readonly resumed: boolean;
  readonly wanted: Pick<Wanted, "collaborators" | "quorum">;
  /** those it had when it was paused; empty if none */
  readonly collaborators: readonly string[];
};

export type Lineup = {
  /** in any order */
  readonly waiting: readonly Candidate[];
  readonly running: readonly Pick<Candidate, "name" | "collaborators">[];
  /** how many may run at a time */
  readonly limit: number;
  /** whether an envoy may run several (C4) */
  readonly share: boolean;
};

/** What an experiment waits for: those before it, envoys that others have, or envoys that are not there. */
export type Hold =
  | { readonly ahead: readonly string[] }
  | { readonly taken: readonly { readonly envoy: string; readonly by: string }[] }
  | { readonly lacking: Waiting };

export type Cast = {
  readonly starts: readonly { readonly name: string; readonly collaborators: readonly string[] }[];
  readonly waits: ReadonlyMap<string, Hold>;
  /** when it may come out otherwise though nothing has changed; null: never */
  readonly againMs: number | null;
};

/** C3 */
export const inLine = <T extends Pick<Candidate, "seq" | "priority" | "resumed">>(all: readonly T[]): T[] =>
  [...all].sort((a, b) => b.priority - a.priority || Number(b.resumed) - Number(a.resumed) || a.seq - b.seq);

/** `waited`: for how long an experiment has been in line, in milliseconds */
export function cast({ waiting, running, limit, share }: Lineup, envoys: Roll, waited: (name: string) => number): Cast {
  const line = inLine(waiting);
  const starts: Cast["starts"][number][] = [];
  const waits = new Map<string, Hold>();
  /** who runs what; and what is kept for a higher priority */
  const busy = new Map(share ? [] : running.flatMap((r) => r.collaborators.map((c) => [c, r.name] as const)));
  const kept = new Map<string, Candidate>();
  const past: string[] = running.map((r) => r.name);
  let room = limit - running.length;
  let againMs: number | null = null;
  for (const candidate of line) {
    const { name, priority } = candidate;
    const { asked, online, away, needed } = muster(candidate, envoys);
    const taken = asked.filter((envoy) => busy.has(envoy));
    const held = asked.filter((envoy) => (kept.get(envoy)?.priority ?? priority) > priority);
    const left = envoys.patienceMs - waited(name);
    if (room <= 0) {
      waits.set(name, { ahead: [...past] });
    } else if (taken.length > 0) {
      waits.set(name, { taken: taken.map((envoy) => ({ envoy, by: busy.get(envoy)! })) });
      for (const envoy of asked) if (!kept.has(envoy)) kept.set(envoy, candidate); // C5
    } else if (held.length > 0) {
      waits.set(name, { taken: held.map((envoy) => ({ envoy, by: kept.get(envoy)!.name })) });
    } else if (online.length < needed || (away.length > 0 && left > 0)) {
      waits.set(name, { lacking: lacking({ online, away, needed }, envoys) });
      if (online.length >= needed) againMs = Math.min(againMs ?? left, left);
    } else {
      const collaborators = candidate.collaborators.length > 0 ? candidate.collaborators : online; // C1
      starts.push({ name, collaborators });
      if (!share) for (const envoy of collaborators) busy.set(envoy, name);
      room--;
    }
    past.push(name);
    if (limit === 1) room = 0; // C5
  }
  return { starts, waits, againMs };
}

type Muster = {
  readonly asked: readonly string[];
  readonly online: readonly string[];
  /** wanted, and not online */
  readonly away: readonly string[];
  /** how many it takes */
  readonly needed: number;
};

function muster({ wanted, collaborators: had }: Pick<Candidate, "wanted" | "collaborators">, envoys: Roll): Muster {
  const { collaborators, quorum } = wanted;
  const names = collaborators === "all" ? envoys.names() : collaborators;
  const asked = [...(had.length > 0 ? had : names)].sort();
  const online = asked.filter((name) => envoys.online(name));
  const away = asked.filter((name) => !envoys.online(name));
  if (typeof quorum === "number") return { asked, online, away, needed: quorum };
  return { asked, online, away, needed: asked.length === 0 ? 1 : resolveQuorum({ quorum }, asked.length) };
}

/** In words. Others' experiments are not named: `shown` says which ones are. */
export function waitingOf(hold: Hold, shown: (experiment: string) => boolean): Waiting {
  if ("lacking" in hold) return hold.lacking;
  if ("ahead" in hold) {
    const ahead = hold.ahead.filter(shown);
    const others = hold.ahead.length - ahead.length;
    const before = [...ahead, ...(others === 0 ? [] : [`${others} of other owners`])];
    const reason = `${hold.ahead.length === 1 ? "an experiment" : "experiments"} before it: ${listed(before)}`;
    return { reason, for: [], ahead };
  }
  const named = hold.taken.map(({ envoy, by }) => `${envoy} (${shown(by) ? by : "another owner's experiment"})`);
  const reason = `${named.length === 1 ? "an envoy that is" : "envoys that are"} taken: ${listed(named)}`;
  return { reason, for: [], ahead: [...new Set(hold.taken.map(({ by }) => by))].filter(shown) };
}

function lacking({ online, away, needed }: Omit<Muster, "asked">, envoys: Roll): Waiting {
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
