/**
 * Certificates and requests for them: ECDSA on P-256, made by @peculiar/x509 over Node's own Web Crypto.
 *
 * K1 A member's certificate is good for being a client only, a server's for being a server only, the authority's for signing
 *    only: none can stand in for another.
 * K2 What a request asks for is its key, kind and name. Everything else in a certificate is the authority's decision.
 * K3 A request is signed with the key it asks for; one that is not is refused.
 */
import "reflect-metadata"; // the library needs it before it is loaded
import {
  createHash,
  createPublicKey,
  type KeyObject,
  X509Certificate as NodeCertificate,
  randomBytes,
  webcrypto,
} from "node:crypto";
import * as x509 from "@peculiar/x509";
import { FlError } from "../errors.ts";
import { checkIdentity, type Identity, type Member, userOf } from "./identity.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
x509.cryptoProvider.set(webcrypto);

/** clocks differ: a certificate is valid from a little before it was made */
const SKEW_MS = 5 * 60_000;
const DAY_MS = 86_400_000;

export type Issued = {
  readonly pem: string;
  readonly serial: string;
  readonly digest: string;
  readonly notAfter: number;
};
/** The names and addresses a server answers to. */
export type Hosts = readonly string[];
export type Request = { readonly identity: Identity; readonly hosts: Hosts; readonly digest: string };
export type Signer = { readonly pem: string; readonly key: KeyObject };

const imported = (key: KeyObject): Promise<webcrypto.CryptoKey> => {
  const der = key.export({ type: "pkcs8", format: "der" });
  return webcrypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]);
};

async function pairOf(key: KeyObject): Promise<webcrypto.CryptoKeyPair> {
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  const publicKey = await webcrypto.subtle.importKey("spki", der, algorithm, true, ["verify"]);
  return { privateKey: await imported(key), publicKey };
}

const subjectOf = ({ fed, kind, name }: Identity): x509.JsonName => [{ O: [fed] }, { OU: [kind] }, { CN: [name] }];
const serialNumber = (): string => `00${randomBytes(16).toString("hex")}`;
const sha256 = (der: ArrayBuffer): string => createHash("sha256").update(Buffer.from(der)).digest("hex");

const issued = (certificate: x509.X509Certificate): Issued => ({
  pem: `${certificate.toString("pem")}\n`,
  serial: certificate.serialNumber,
  digest: sha256(certificate.rawData),
  notAfter: certificate.notAfter.getTime(),
});

/** The certificate of a new authority over one federation. */
export async function makeAuthority(fed: string, key: KeyObject, days: number, now: number): Promise<Issued> {
  const keys = await pairOf(key);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ O: [fed] }, { OU: ["authority"] }, { CN: [`${fed} authority`] }],
    notBefore: new Date(now - SKEW_MS),
    notAfter: new Date(now + days * DAY_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true), // K1
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return issued(certificate);
}

/** A request for a certificate over `key`. */
export async function makeRequest(identity: Identity, hosts: Hosts, key: KeyObject): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subjectOf(identity),
    keys: await pairOf(key),
    signingAlgorithm: algorithm,
    extensions: hosts.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(hosts.map(hostName))],
  });
  return `${request.toString("pem")}\n`;
}

/** @throws FL_PKI when it is no request, or not signed by its own key (K3) */
export async function readRequest(pem: string): Promise<Request & { readonly publicKey: x509.PublicKey }> {
  const bad = (reason: string, cause?: unknown) => new FlError("FL_PKI", { reason }, { cause });
  let request: x509.Pkcs10CertificateRequest;
  try {
    request = new x509.Pkcs10CertificateRequest(pem);
  } catch (e) {
    throw bad("it is no request for a certificate", e);
  }
  if (!(await request.verify().catch(() => false))) throw bad("the request is not signed by the key it asks for");
  const said = (key: string): string => request.subjectName.getField(key)[0] ?? "";
  const identity = checkIdentity({ fed: said("O"), kind: said("OU"), name: said("CN") });
  const named = request.extensions.find((e) => e instanceof x509.SubjectAlternativeNameExtension);
  const names = named?.names.items ?? [];
  const hosts = names.filter(({ type }) => type === "dns" || type === "ip").map(({ value }) => value);
  return { identity, hosts, digest: sha256(request.rawData), publicKey: request.publicKey };
}

export type Grant = {
  readonly identity: Identity;
  /** of a member (I3 of identity.ts) */
  readonly generation: number;
  /** of a server */
  readonly hosts: Hosts;
  readonly days: number;
  readonly now: number;
};

/** @throws FL_PKI when it would outlive the authority */
export async function sign(signer: Signer, publicKey: KeyObject | x509.PublicKey, grant: Grant): Promise<Issued> {
  const { identity, generation, hosts, days, now } = grant;
  const { kind, name, fed } = identity;
  const authority = new x509.X509Certificate(signer.pem);
  const notAfter = new Date(now + days * DAY_MS);
  if (notAfter > authority.notAfter) {
    const until = authority.notAfter.toISOString().slice(0, 10);
    throw new FlError("FL_PKI", { reason: `${days} days are longer than the authority lasts: until ${until}` });
  }
  const key = publicKey instanceof x509.PublicKey ? publicKey : (await pairOf(publicKey)).publicKey;
  const [usage, names]: [x509.ExtendedKeyUsage, x509.JsonGeneralNames] =
    kind === "server"
      ? [x509.ExtendedKeyUsage.serverAuth, hosts.map(hostName)]
      : [
          x509.ExtendedKeyUsage.clientAuth,
          [{ type: "email", value: userOf(fed, { kind, name, generation } as Member) }],
        ];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: subjectOf(identity), // K2
    issuer: authority.subjectName.toJSON(),
    notBefore: new Date(now - SKEW_MS),
    notAfter,
    signingAlgorithm: algorithm,
    publicKey: key,
    signingKey: await imported(signer.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]), // K1
      new x509.SubjectAlternativeNameExtension(names),
      await x509.AuthorityKeyIdentifierExtension.create(authority),
      await x509.SubjectKeyIdentifierExtension.create(key),
    ],
  });
  return issued(certificate);
}

/** Whether a certificate was made for this key. */
export const matches = (pem: string, key: KeyObject): boolean => new NodeCertificate(pem).checkPrivateKey(key);

const hostName = (host: string): x509.JsonGeneralName =>
  /^[\d.]+$|:/.test(host) ? { type: "ip", value: host } : { type: "dns", value: host };
