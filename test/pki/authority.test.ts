/** An authority's directory: what it gives out, what it refuses, and what openssl says to it. */
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { FlError } from "../../src/errors.ts";
import { Authority, isEncrypted } from "../../src/pki/authority.ts";
import { makeRequest, readRequest } from "../../src/pki/certificate.ts";
import { type Identity, identityIn, userOf } from "../../src/pki/identity.ts";
import { generateKey } from "../../src/pki/key.ts";
import { temporaryDir } from "../support/server.ts";

const DAY_MS = 86_400_000;
const now = Date.now();
const made = async (t: Parameters<typeof temporaryDir>[0], more: { passphrase?: string; days?: number } = {}) =>
  Authority.make(join(await temporaryDir(t), "pki"), { fed: "main", days: 3650, now, ...more });
const refused = async (
  t: { is(a: unknown, b: unknown): void },
  code: string,
  work: Promise<unknown>,
): Promise<FlError> => {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  t.is(error instanceof FlError ? error.code : error, code);
  return error as FlError;
};
const openssl = async (...args: string[]): Promise<string> => (await promisify(execFile)("openssl", args)).stdout;

test("a member's certificate says its federation, kind and name, and one address that the server knows it by", async (t) => {
  const pki = await made(t);
  const { folder, issued } = await pki.issue({ kind: "envoy", name: "north", days: 90, now });
  t.deepEqual((await readdir(folder)).sort(), ["ca.pem", "cert.pem", "key.pem"]);
  const cert = new X509Certificate(await readFile(join(folder, "cert.pem")));
  t.deepEqual(identityIn(cert.subject), { fed: "main", kind: "envoy", name: "north" });
  t.is(cert.subjectAltName, "email:north.1@envoy.main");
  t.is(userOf("main", { kind: "envoy", name: "north", generation: 1 }), "north.1@envoy.main");
  t.deepEqual(cert.keyUsage, ["1.3.6.1.5.5.7.3.2"]); // a client, and no server
  t.false(cert.ca);
  t.is(Math.round((issued.notAfter - now) / DAY_MS), 90);
  t.deepEqual(pki.members, [{ kind: "envoy", name: "north", generation: 1 }]);
});

test("keys are for their owner's eyes only", async (t) => {
  const pki = await made(t);
  const { folder } = await pki.issue({ kind: "manager", name: "ann", days: 90, now });
  for (const file of [join(folder, "key.pem"), join(pki.dir, "ca.key")]) t.is((await stat(file)).mode & 0o777, 0o600);
  for (const dir of [folder, pki.dir]) t.is((await stat(dir)).mode & 0o777, 0o700);
});

test("openssl agrees: the chain is whole, for the one purpose, and the authority signs members and no authorities", async (t) => {
  const pki = await made(t);
  const ca = join(pki.dir, "ca.pem");
  const { folder: envoy } = await pki.issue({ kind: "envoy", name: "north", days: 90, now });
  const { folder: server } = await pki.issue({
    kind: "server",
    name: "hub",
    hosts: ["hub.example.org", "10.0.0.1"],
    days: 90,
    now,
  });
  const verified = (folder: string, purpose: string) =>
    openssl("verify", "-x509_strict", "-CAfile", ca, "-purpose", purpose, join(folder, "cert.pem"));
  t.regex(await verified(envoy, "sslclient"), /OK/);
  t.regex(await verified(server, "sslserver"), /OK/);
  await t.throwsAsync(verified(envoy, "sslserver"), { message: /unsuitable certificate purpose/ });
  await t.throwsAsync(verified(server, "sslclient"), { message: /unsuitable certificate purpose/ });
  const text = await openssl("x509", "-in", ca, "-noout", "-text");
  t.regex(text, /CA:TRUE, pathlen:0/);
  t.regex(
    await openssl("x509", "-in", join(server, "cert.pem"), "-noout", "-text"),
    /DNS:hub\.example\.org, IP Address:10\.0\.0\.1/,
  );
});

test("nothing is overwritten unasked: not an authority, not a member's key", async (t) => {
  const pki = await made(t);
  const wanted = { kind: "envoy", name: "north", days: 90, now };
  const { folder } = await pki.issue(wanted);
  const key = await readFile(join(folder, "key.pem"), "utf8");
  await refused(t, "FL_EXISTS", Authority.make(pki.dir, { fed: "main", days: 1, now }));
  const e = await refused(t, "FL_EXISTS", pki.issue(wanted));
  t.regex(String(e.detail.hint), /--force/);
  t.is(await readFile(join(folder, "key.pem"), "utf8"), key);
  await pki.issue({ ...wanted, force: true });
  t.not(await readFile(join(folder, "key.pem"), "utf8"), key);
  t.deepEqual(pki.members, [{ kind: "envoy", name: "north", generation: 1 }], "a renewal is the same member");
  t.is(pki.entries[0]?.certificates.length, 2);
});

test("a name that was revoked is given out again as another's: what was revoked stays out", async (t) => {
  const pki = await made(t);
  const wanted = { kind: "envoy", name: "north", days: 90, now };
  await pki.issue(wanted);
  await pki.revoke("north", undefined, now);
  t.deepEqual((await Authority.open(pki.dir)).members, []);
  await refused(t, "FL_STATE", pki.revoke("north", undefined, now));
  await refused(t, "FL_EXISTS", pki.issue(wanted));
  const { folder } = await pki.issue({ ...wanted, force: true });
  t.is(new X509Certificate(await readFile(join(folder, "cert.pem"))).subjectAltName, "email:north.2@envoy.main");
  t.deepEqual(pki.members, [{ kind: "envoy", name: "north", generation: 2 }]);
});

test("revoking needs to know whom: two of one name are told apart by their kind", async (t) => {
  const pki = await made(t);
  for (const kind of ["envoy", "manager"]) await pki.issue({ kind, name: "ann", days: 90, now });
  await pki.issue({ kind: "server", name: "hub", hosts: ["localhost"], days: 90, now });
  await refused(t, "FL_USAGE", pki.revoke("ann", undefined, now));
  t.is((await pki.revoke("ann", "manager", now)).kind, "manager");
  t.deepEqual(pki.members, [{ kind: "envoy", name: "ann", generation: 1 }]);
  await refused(t, "FL_NOT_FOUND", pki.revoke("nobody", undefined, now));
  await refused(t, "FL_USAGE", pki.revoke("hub", undefined, now));
});

test("names are tokens, kinds are known, and an envoy does not speak for the federation", async (t) => {
  const pki = await made(t);
  for (const name of ["a.b", "../x", "*", "", "x".repeat(65)]) {
    await refused(t, "FL_SUBJECT_TOKEN", pki.issue({ kind: "envoy", name, days: 1, now }));
  }
  await refused(t, "FL_USAGE", pki.issue({ kind: "king", name: "x", days: 1, now }));
  for (const name of ["aggregator", "director"]) {
    await refused(t, "FL_USAGE", pki.issue({ kind: "envoy", name, days: 1, now }));
  }
  await refused(t, "FL_USAGE", pki.issue({ kind: "server", name: "hub", days: 1, now })); // under which names?
  t.deepEqual(pki.entries, []);
  t.deepEqual((await readdir(pki.dir)).sort(), ["ca.key", "ca.pem", "members.json"]);
});

test("a certificate does not outlive its authority", async (t) => {
  const pki = await made(t, { days: 30 });
  const e = await refused(t, "FL_PKI", pki.issue({ kind: "envoy", name: "north", days: 31, now }));
  t.regex(e.message, /31 days are longer than the authority lasts/);
});

test("an encrypted authority signs with its passphrase only", async (t) => {
  const pki = await made(t, { passphrase: "open sesame" });
  t.true(await isEncrypted(pki.dir));
  t.regex(await readFile(join(pki.dir, "ca.key"), "utf8"), /BEGIN ENCRYPTED PRIVATE KEY/);
  const wanted = { kind: "envoy", name: "north", days: 1, now };
  t.regex((await refused(t, "FL_PKI", pki.issue(wanted))).message, /needs its passphrase/);
  t.regex((await refused(t, "FL_PKI", pki.issue(wanted, "close"))).message, /not the key's/);
  t.deepEqual(pki.members, []);
  await t.notThrowsAsync(pki.issue(wanted, "open sesame"));
});

test("C36 a site keeps its key: its request is signed if its digest is what the site reads out, and not otherwise", async (t) => {
  const pki = await made(t);
  const key = generateKey();
  const identity: Identity = { fed: "main", kind: "envoy", name: "south" };
  const request = await makeRequest(identity, [], key);
  const { digest } = await readRequest(request);
  const terms = { days: 90, now };
  const swapped = await makeRequest(identity, [], generateKey());
  const e = await refused(t, "FL_DIGEST_MISMATCH", pki.sign(swapped, { ...terms, digest }));
  t.is(e.detail.got, (await readRequest(swapped)).digest);
  t.deepEqual(pki.members, []);
  const signed = await pki.sign(request, { ...terms, digest });
  t.deepEqual(signed.identity, identity);
  t.deepEqual((await readdir(signed.folder)).sort(), ["ca.pem", "cert.pem"], "no key came here");
  t.true(new X509Certificate(signed.issued.pem).checkPrivateKey(key));
  t.deepEqual(pki.members, [{ kind: "envoy", name: "south", generation: 1 }]);
  await refused(t, "FL_EXISTS", pki.sign(request, { ...terms, digest }));
});

test("a request says key, kind and name, and nothing else of it reaches the certificate", async (t) => {
  const pki = await made(t);
  const dir = await temporaryDir(t);
  const csr = join(dir, "r.pem");
  await openssl(
    "req",
    "-new",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    join(dir, "k.pem"),
    "-out",
    csr,
    "-subj",
    "/O=main/OU=envoy/CN=west",
    "-addext",
    "subjectAltName=email:ann.1@manager.main",
    "-addext",
    "basicConstraints=critical,CA:TRUE",
  ); // prettier-ignore
  const request = await readFile(csr, "utf8");
  const { issued } = await pki.sign(request, { digest: (await readRequest(request)).digest, days: 90, now });
  const cert = new X509Certificate(issued.pem);
  t.is(cert.subjectAltName, "email:west.1@envoy.main");
  t.false(cert.ca);
});

test("what is no request, is damaged, or is for another federation is refused", async (t) => {
  const pki = await made(t);
  const sign = async (request: string) => {
    const digest = await readRequest(request).then(
      (r) => r.digest,
      () => "",
    );
    return pki.sign(request, { digest, days: 1, now });
  };
  await refused(t, "FL_PKI", sign("hello"));
  const request = await makeRequest({ fed: "main", kind: "envoy", name: "south" }, [], generateKey());
  const der = Buffer.from(request.replaceAll(/-----.*-----/g, ""), "base64");
  der[der.length - 1]! ^= 1;
  const broken = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
  t.regex((await refused(t, "FL_PKI", sign(broken))).message, /not signed by the key/);
  await refused(
    t,
    "FL_PKI",
    sign(await makeRequest({ fed: "other", kind: "envoy", name: "south" }, [], generateKey())),
  );
});

test("a directory that holds no authority, or a damaged list, says so", async (t) => {
  const dir = await temporaryDir(t);
  await refused(t, "FL_NOT_FOUND", Authority.open(dir));
  await writeFile(join(dir, "members.json"), "{");
  await refused(t, "FL_PKI", Authority.open(dir));
  await writeFile(join(dir, "members.json"), '{"v":1,"fed":"main","server":null,"members":[{"name":"x"}]}');
  await refused(t, "FL_PKI", Authority.open(dir));
});
