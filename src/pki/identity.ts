/**
 * Who somebody is on the network: what a certificate says, and what the NATS server calls its bearer.
 *
 * I1 A certificate says three things: the federation (O), the kind of member (OU) and its name (CN). The name is the name on
 *    the bus.
 * I2 The server knows a member by the one e-mail address in its certificate, `{name}.{generation}@{kind}.{fed}`: a literal
 *    look-up, where comparing distinguished names has been a server's fault before. No part can hold a dot, so each address
 *    has one reading.
 * I3 A name that was revoked and is given out again is of the next generation: what was revoked stays out.
 * I4 An envoy cannot have the name under which the Director or an Aggregator speaks about experiments.
 */
import { FlError } from "../errors.ts";
import { token } from "../wire/template.ts";

/** Kinds of members: each may do on the bus what the roles it runs may do (src/wire/permissions.ts). */
export const memberKinds = ["director", "envoy", "manager", "part"] as const;
export type MemberKind = (typeof memberKinds)[number];
/** A server proves itself to members and is none. */
export const kinds = ["server", ...memberKinds] as const;
export type Kind = (typeof kinds)[number];

export type Identity = { readonly fed: string; readonly kind: Kind; readonly name: string };
export type Member = { readonly kind: MemberKind; readonly name: string; readonly generation: number };

const SPOKEN_FOR = ["aggregator", "director"];

/** @throws FL_SUBJECT_TOKEN, FL_USAGE for a kind that there is none of or a name that is spoken for (I4) */
export function checkIdentity({ fed, kind, name }: { fed: string; kind: string; name: string }): Identity {
  const known = kinds.find((k) => k === kind);
  if (known === undefined) throw new FlError("FL_USAGE", { reason: `${kind} is none of ${kinds.join(", ")}` });
  token(fed, "federation");
  token(name, known);
  if (known === "envoy" && SPOKEN_FOR.includes(name)) {
    throw new FlError("FL_USAGE", { reason: `an envoy cannot be called ${name}: that name speaks for the federation` });
  }
  return { fed, kind: known, name };
}

/** What the server calls a member (I2). */
export const userOf = (fed: string, { kind, name, generation }: Member): string =>
  `${name}.${generation}@${kind}.${fed}`;

/** `envoy north` */
export const spoken = ({ kind, name }: Pick<Identity, "kind" | "name">): string => `${kind} ${name}`;

/** The identity in a certificate's subject, one `KEY=value` a line as Node prints it; undefined if it is none of ours. */
export function identityIn(subject: string): Identity | undefined {
  const parts = new Map(subject.split("\n").map((line) => line.split("=", 2) as [string, string]));
  const [fed = "", kind = "", name = ""] = ["O", "OU", "CN"].map((key) => parts.get(key));
  try {
    return checkIdentity({ fed, kind, name });
  } catch {
    return undefined;
  }
}
