/**
 * What one shows at a TLS connection: the authority's certificate, one's own, and its key.
 *
 * R1 All three files or none: TLS that is half set up is refused, never left out (D01).
 * R2 What the server would refuse anyway, or what would be somebody else's name on the bus, is told here and by its cause.
 * R3 A certificate of an authority that is not ours says nothing about names: it encrypts, and the names are claims then.
 */
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { FlError } from "../errors.ts";
import { CA, CERT, KEY, readText } from "./files.ts";
import { type Identity, identityIn, type MemberKind, spoken } from "./identity.ts";
import { keyFromPem } from "./key.ts";

/** Where they lie: a folder as `entente pki issue` makes it, or three files. */
export const tlsSettings = {
  creds: z
    .string()
    .optional()
    .describe("folder with ca.pem, cert.pem and key.pem: a certificate and who vouches for it"),
  tlsCa: z.string().optional().describe("the authority's certificate, if not in --creds"),
  tlsCert: z.string().optional().describe("this one's certificate, if not in --creds"),
  tlsKey: z.string().optional().describe("the certificate's key, if not in --creds"),
};
export type TlsSettings = { readonly [K in keyof typeof tlsSettings]?: string | undefined };

export type Credentials = {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** whose they are; undefined if another authority made them (R3) */
  readonly identity: Identity | undefined;
};

/** @returns undefined if nothing asks for TLS. @throws FL_TLS */
export async function loadCredentials(settings: TlsSettings, now: number): Promise<Credentials | undefined> {
  const { creds, tlsCa, tlsCert, tlsKey } = settings;
  const at = (given: string | undefined, file: string): string | undefined =>
    given ?? (creds === undefined ? undefined : join(creds, file));
  const paths = { ca: at(tlsCa, CA), cert: at(tlsCert, CERT), key: at(tlsKey, KEY) };
  const missing = Object.entries(paths).filter(([, path]) => path === undefined);
  if (missing.length === 3) return undefined;
  if (missing.length > 0) {
    const names = missing.map(([what]) => `--tls-${what}`);
    throw new FlError("FL_TLS", { reason: `TLS needs all three files, and ${names.join(" and ")} is not given` }); // R1
  }
  const [ca, cert, key] = await Promise.all([read(paths.ca!), read(paths.cert!), read(paths.key!)]);
  return { ca, cert, key, identity: checked(ca, cert, key, now, paths.cert!) };
}

export type Wearer = {
  readonly fed: string;
  readonly kinds: readonly MemberKind[];
  /** undefined: it acts for whoever the certificate names */
  readonly name?: string | undefined;
};

/** Refuses to go by another name than the certificate's, which the server would not let pass (R2). @throws FL_TLS */
export function checkBearer({ identity }: Credentials, { fed, kinds, name }: Wearer): void {
  if (identity === undefined) return;
  const wrong = (reason: string) => new FlError("FL_TLS", { reason, certificate: { ...identity } });
  const who = `the certificate is ${spoken(identity)}'s`;
  if (!kinds.some((kind) => kind === identity.kind)) throw wrong(`${who}, and ${kinds.join(" or ")} is needed here`);
  if (name !== undefined && identity.name !== name) throw wrong(`${who}, and this is ${name}`);
  if (identity.fed !== fed) throw wrong(`the certificate is of federation ${identity.fed}, and this is ${fed}`);
}

async function read(path: string): Promise<string> {
  const text = await readText(path).catch((e: FlError) => {
    throw new FlError("FL_TLS", { reason: String(e.detail.reason), path }, { cause: e });
  });
  if (text === undefined) throw new FlError("FL_TLS", { reason: `there is no ${path}`, path }); // R1
  return text;
}

function checked(ca: string, cert: string, key: string, now: number, path: string): Identity | undefined {
  const wrong = (reason: string, cause?: unknown) => new FlError("FL_TLS", { reason, path }, { cause });
  let certificate: X509Certificate;
  let ours: boolean;
  try {
    certificate = new X509Certificate(cert);
    ours = certificate.checkPrivateKey(keyFromPem(key));
  } catch (e) {
    throw wrong(`${path} or its key cannot be read`, e);
  }
  if (!ours) throw wrong(`${path} and the key do not belong together`);
  const end = Date.parse(certificate.validTo);
  if (now > end) throw wrong(`${path} ran out on ${new Date(end).toISOString().slice(0, 10)}`);
  const identity = identityIn(certificate.subject);
  if (identity === undefined) return undefined; // another authority may have others between it and this one
  let vouched: boolean;
  try {
    vouched = certificate.verify(new X509Certificate(ca).publicKey);
  } catch (e) {
    throw wrong("the authority's certificate cannot be read", e);
  }
  if (!vouched) throw wrong(`${path} is not signed by the authority that was given`);
  return identity;
}
