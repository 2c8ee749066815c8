/**
 * Who may publish and hear what on a secured server, made from the table of names.
 *
 * Each member of a federation has a room of its own in the server (an account, src/nats/accounts.ts): what it says reaches
 * nobody else unless the table says whom. So neither an inbox nor the subject of an answer, which the asker chooses, leads
 * out of a member's room; and in it a member may still only do what is listed here.
 *
 * Q1 A member is what its certificate says: a kind and a name. A kind plays roles of the table, each under that name.
 * Q2 The Director's side (the Director, its Aggregators and sinks, JetStream) is one room, and may do everything in it.
 * Q3 What is stored is published to the Director's room, and heard from there.
 * Q4 Whoever reviews for an envoy, or monitors its devices, does so with the envoy's certificate, in its room; likewise for
 *    the Director. So nobody approves an experiment who is only its owner.
 */
import type { MemberKind } from "../pki/identity.ts";
import { buckets, type Listener, type Role, type Speaker, type Subject, subjects } from "./table.ts";
import { fill, wildcard } from "./template.ts";

export type Bearer = { readonly kind: MemberKind; readonly name: string };

export type Right = {
  readonly verb: "publish" | "subscribe";
  /** a subject, with `*` for what is free */
  readonly subject: string;
  /** of the table: a subject's key, or what is read where it is stored */
  readonly of: string;
  /** how it crosses the member's threshold: `asks` another, `answers` another, `hears` another, or stays in the room */
  readonly crossing: "asks" | "answers" | "hears" | "stays";
  /** whose room is at the other end: the Director's, the part's of that name, or that of whoever asks */
  readonly far: "director" | { readonly part: string } | "anybody" | null;
};

const directorsSide: ReadonlySet<Role> = new Set<Role>(["director", "aggregator"]);
/** Q1, and Q4: roles that are played towards oneself */
const roles: Record<Exclude<MemberKind, "director">, { own: readonly Role[]; towardsItself: readonly Role[] }> = {
  envoy: { own: ["envoy", "collaborator"], towardsItself: ["manager", "monitor"] },
  manager: { own: ["owner"], towardsItself: [] },
  part: { own: ["aggregation", "monitor"], towardsItself: [] },
};

type AnySubject = Pick<Subject<string, unknown, unknown>, "pattern" | "from" | "to" | "again" | "kind">;
const table = Object.entries(subjects as unknown as Record<string, AnySubject>);
const isDirectors = ([role]: Speaker | Listener): boolean => directorsSide.has(role);

/** Everything a member may do. `parts`: the names of the federation's parts. */
export function rightsOf(fed: string, { kind, name }: Bearer, parts: readonly string[] = []): Right[] {
  if (kind === "director") {
    const all = { subject: ">", of: "everything", crossing: "stays", far: null } as const; // Q2
    return [
      { verb: "publish", ...all },
      { verb: "subscribe", ...all },
    ];
  }
  const { own, towardsItself } = roles[kind];
  return [...table.flatMap(([key, subject]) => live(key, subject)), ...stored(fed, own, name)];

  function live(of: string, { pattern, from, to, kind }: AnySubject): Right[] {
    const subject = ([, token, word]: Speaker | Listener, more: Record<string, string> = {}): string =>
      wildcard(pattern, { fed, ...(token === undefined ? {} : { [token]: word ?? name }), ...more } as never);
    const stays = (at: Speaker | Listener): Right[] =>
      (["publish", "subscribe"] as const).map((verb) => ({
        ...{ verb, subject: subject(at), of, crossing: "stays", far: null },
      }));
    const said = from
      .filter(([role]) => own.includes(role))
      .flatMap((speaker): Right[] => {
        if (kind === "stream" || to.some(isDirectors)) {
          return [{ verb: "publish", subject: subject(speaker), of, crossing: "asks", far: "director" }]; // Q3
        }
        return to.flatMap(([role, token = ""]): Right[] => [
          ...(towardsItself.includes(role) ? stays(speaker) : []), // Q4
          ...(role !== "monitor" ? [] : parts).map((part) => ({
            ...({ verb: "publish", subject: subject(speaker, { [token]: part }), of, crossing: "asks" } as const),
            far: { part },
          })),
        ]);
      });
    const heard = to
      .filter(([role]) => own.includes(role))
      .flatMap((listener): Right[] => {
        const it = { verb: "subscribe", subject: subject(listener), of } as const;
        if (kind === "stream") return [{ ...it, crossing: "hears", far: "director" }]; // Q3
        if (from.some(([role]) => towardsItself.includes(role))) return stays(listener); // Q4
        if (kind === "publish") return [{ ...it, crossing: "hears", far: "director" }];
        return [{ ...it, crossing: "answers", far: from.some(isDirectors) ? "director" : "anybody" }];
      });
    return [...said, ...heard];
  }
}

/** What a member may ask JetStream for: the newest message of a subject that it hears, and the values of its keys. */
function stored(fed: string, own: readonly Role[], name: string): Right[] {
  const asks = (of: string, subject: string): Right => ({
    ...{ verb: "publish", subject: `$JS.API.DIRECT.GET.${subject}`, of, crossing: "asks", far: "director" },
  });
  const again = table.flatMap(([key, s]) => {
    const listener = s.again ? s.to.find(([role]) => own.includes(role)) : undefined;
    return listener === undefined ? [] : [asks(`${key}, again`, `*.${wildcard(s.pattern, { fed } as never)}`)];
  });
  const values = Object.entries(buckets).flatMap(([place, { name: bucket, key, reader }]) => {
    if (reader === null || !own.includes(reader[0])) return [];
    const at = fill(bucket, { fed });
    const one = wildcard(key as string, (reader[1] === undefined ? {} : { [reader[1]]: name }) as never);
    return [asks(`a value of ${place}`, `KV_${at}.$KV.${at}.${one}`)];
  });
  return [...again, ...values];
}
