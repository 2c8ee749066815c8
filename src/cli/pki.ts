/**
 * `entente pki …`: an authority for one federation, and the certificates of its members.
 *
 * PK1 A key is written for its owner's eyes only, and nothing is written over unless --force says so.
 * PK2 The authority needs no server and no network: it may be kept on a machine that has neither.
 */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { FlError } from "../errors.ts";
import { renderAccounts } from "../nats/accounts.ts";
import { renderSecured } from "../nats/server-config.ts";
import { Authority, type Entry, isEncrypted } from "../pki/authority.ts";
import { makeRequest, readRequest } from "../pki/certificate.ts";
import { CA, CERT, KEY, putFile, readText } from "../pki/files.ts";
import { checkIdentity, kinds, spoken } from "../pki/identity.ts";
import { generateKey, keyFromPem, keyToPem } from "../pki/key.ts";
import type { Console } from "./console.ts";
import { collect, positive } from "./options.ts";
import { FED } from "./place.ts";
import { table } from "./table.ts";
import type { Action, Verb } from "./verb.ts";

type Options = {
  fed: string;
  days: number;
  host?: string[];
  force?: boolean;
  passphrase?: string;
  digest: string;
  kind?: string;
  server: string;
  files?: string;
};

const REQUEST = "request.pem";
const AUTHORITY_DAYS = 3650;
const MEMBER_DAYS = 365;

export const pki: Verb = (program, action) => {
  const command = program
    .command("pki")
    .description("Certificates: who the members of a federation are, and what a secured server lets them do.");
  const verb = (name: string, description: string): Command =>
    command.command(name).description(description).option("--json", "print one JSON object a line (docs/cli.md)");
  const hosts = (c: Command): Command =>
    c.option("--host <name>", "of a server: a name or an address that it is reached by; may be given again", collect);
  const terms = (c: Command): Command =>
    c
      .option("--days <n>", "how long it is good for", positive, MEMBER_DAYS)
      .option("--force", "give a name out again, or a new certificate to who has one")
      .option("--passphrase <file>", "holds the passphrase of the authority's key");
  const kind = `one of ${kinds.join(", ")}`;

  verb("init <dir>", "Make an authority: its key, and its certificate.")
    .option("--fed <name>", "the federation that it is for", FED)
    .option("--days <n>", "how long it is good for", positive, AUTHORITY_DAYS)
    .option("--passphrase <file>", "holds a passphrase that the key is encrypted with")
    .action(action<Options, [string]>(init));
  terms(hosts(verb("issue <dir> <kind> <name>", `Make a key and a certificate for a member: ${kind}.`))).action(
    action<Options, [string, string, string]>(issue),
  );
  hosts(verb("request <dir> <kind> <name>", "At a member's own site: make a key that stays there, and a request."))
    .option("--fed <name>", "the federation", FED)
    .action(action<Options, [string, string, string]>(request));
  terms(verb("sign <dir> <request>", "Sign a request that came from a site."))
    .requiredOption("--digest <sha256>", "the request's digest, as who made it reads it out: by telephone, say")
    .action(action<Options, [string, string]>(sign));
  verb("revoke <dir> <name>", "Put a member out.")
    .option("--kind <kind>", "where two have the name")
    .action(action<Options, [string, string]>(revoke));
  verb("list <dir>", "Who has a certificate, until when, and who is out.").action(action<Options, [string]>(list));
  verb("conf <dir> <file>", "Write what a nats-server of your own includes: its TLS, its users, what each may do.")
    .requiredOption("--server <name>", "the server's name at the authority")
    .option(
      "--files <path>",
      "where the server finds its ca.pem, cert.pem and key.pem; default: where they were issued",
    )
    .action(action<Options, [string, string]>(conf));
  return command.action(
    (action as Action)(async () => {
      throw new FlError("FL_USAGE", { reason: "pki needs to know what to do", hint: "entente pki --help" });
    }),
  );
};

async function init({ fed, days, passphrase }: Options, out: Console, dir: string): Promise<number> {
  const word = passphrase === undefined ? undefined : await passphraseIn(passphrase);
  const authority = await Authority.make(dir, { fed, days, now: Date.now(), passphrase: word });
  out.emit("authority", { dir: resolve(dir), fed: authority.fed });
  out.say(`${dir} is the authority of federation ${fed}. Its key never has to leave this folder.`);
  out.say(`  a server        entente pki issue ${dir} server hub --host HOST`);
  out.say(`  a Director      entente pki issue ${dir} director director`);
  out.say(`  an envoy        entente pki issue ${dir} envoy NAME`);
  out.say(`  a data scientist  entente pki issue ${dir} manager NAME`);
  return 0;
}

async function issue(
  { host, days, force, passphrase }: Options,
  out: Console,
  dir: string,
  kind: string,
  name: string,
) {
  const authority = await Authority.open(dir);
  const wanted = { kind, name, hosts: host, days, now: Date.now(), ...(force === undefined ? {} : { force }) };
  const { folder } = await authority.issue(wanted, await unlock(dir, passphrase));
  tell(out, authority, kind, name);
  out.say(`${kind} ${name}: ${folder} holds ${CA}, ${CERT} and ${KEY}. Hand it over on a way that nobody else reads.`);
  return changed(authority, out);
}

async function request({ fed, host = [] }: Options, out: Console, dir: string, kind: string, name: string) {
  const identity = checkIdentity({ fed, kind, name });
  const file = join(dir, KEY);
  const there = await readText(file); // asked again: for the key that is there
  const key = there === undefined ? generateKey() : keyFromPem(there);
  const text = await makeRequest(identity, host, key);
  if (there === undefined) await putFile(file, keyToPem(key), { secret: true });
  await putFile(join(dir, REQUEST), text, { over: true });
  const { digest } = await readRequest(text);
  out.emit("request", { ...{ kind, name, fed }, file: resolve(dir, REQUEST), digest });
  out.say(`Send ${join(dir, REQUEST)} to the authority, and read its digest out to them on another way:`);
  out.say(`  ${digest}`);
  out.say(`What comes back, ${CERT} and ${CA}, goes beside ${file}, which stays here.`);
  return 0;
}

async function sign({ digest, days, force, passphrase }: Options, out: Console, dir: string, file: string) {
  const authority = await Authority.open(dir);
  const text = await readFile(file, "utf8").catch((e: Error) => {
    throw new FlError(
      "FL_NOT_FOUND",
      { reason: e.message, hint: "the second argument is the request's file" },
      { cause: e },
    );
  });
  const terms = { digest, days, now: Date.now(), ...(force === undefined ? {} : { force }) };
  const { folder, identity } = await authority.sign(text, terms, await unlock(dir, passphrase));
  tell(out, authority, identity.kind, identity.name);
  out.say(`${spoken(identity)}: send ${join(folder, CERT)} and ${join(folder, CA)} back. Neither is a secret.`);
  return changed(authority, out);
}

async function revoke({ kind }: Options, out: Console, dir: string, name: string): Promise<number> {
  const authority = await Authority.open(dir);
  const entry = await authority.revoke(name, kind, Date.now());
  tell(out, authority, entry.kind, entry.name);
  out.say(`${spoken(entry)} is out.`);
  return changed(authority, out);
}

async function list(_: Options, out: Console, dir: string): Promise<number> {
  const { entries, fed } = await Authority.open(dir);
  for (const entry of entries) out.emit("certificate", lineOf(entry, fed));
  const day = (at: number): string => new Date(at).toISOString().slice(0, 10);
  const rows = entries.map((entry) => {
    const { state, not_after, digest } = lineOf(entry, fed);
    return [entry.kind, entry.name, state, day(not_after), digest.slice(0, 16)];
  });
  const columns = ["kind", "name", "state", "until", "sha256"].map((head) => ({ head }));
  if (rows.length === 0) out.say(`Nobody has a certificate of federation ${fed} yet.`);
  else out.rows(table(columns, rows, out.paint.dim));
  return 0;
}

async function conf({ server, files }: Options, out: Console, dir: string, file: string): Promise<number> {
  const authority = await Authority.open(dir);
  if (!authority.entries.some((e) => e.kind === "server" && e.name === server)) {
    throw new FlError("FL_NOT_FOUND", {
      reason: `no server ${server} has a certificate`,
      hint: `entente pki issue ${dir} server ${server} --host HOST`,
    });
  }
  const folder = resolve(files ?? authority.folder({ kind: "server", name: server }));
  await authority.keepServer({ file: resolve(file), files: folder, name: server });
  return changed(authority, out);
}

/** A server's configuration is kept as the list is. */
async function changed({ server, fed, members }: Authority, out: Console): Promise<number> {
  if (server === null) return 0;
  const at = (file: string): string => join(server.files, file);
  const text = renderSecured({ ca: at(CA), cert: at(CERT), key: at(KEY), accounts: renderAccounts(fed, members) });
  await putFile(server.file, `# written by entente pki for server ${server.name}; edits are lost\n${text}`, {
    over: true,
  });
  out.emit("conf", { file: server.file, server: server.name, members: members.length });
  out.say(`${server.file} is written anew. The server takes it with: nats-server --signal reload, twice`);
  return 0;
}

const tell = (out: Console, { entries, fed }: Authority, kind: string, name: string): void =>
  out.emit("certificate", lineOf(entries.find((e) => e.kind === kind && e.name === name)!, fed));

function lineOf({ kind, name, certificates, revoked_at }: Entry, fed: string) {
  const { not_after, digest } = certificates.at(-1)!;
  const state = revoked_at !== null ? "revoked" : not_after < Date.now() ? "expired" : "good";
  return { kind, name, fed, state: state as "good" | "revoked" | "expired", not_after, digest };
}

const passphraseIn = async (file: string): Promise<string> => {
  const text = await readText(file);
  if (text === undefined)
    throw new FlError("FL_NOT_FOUND", { reason: `there is no ${file}`, hint: "--passphrase names a file" });
  return text.replace(/\r?\n$/, "");
};

async function unlock(dir: string, file: string | undefined): Promise<string | undefined> {
  if (file !== undefined) return passphraseIn(file);
  if (!(await isEncrypted(dir))) return undefined;
  throw new FlError("FL_PKI", { reason: "the authority's key is encrypted", hint: "--passphrase FILE opens it" });
}
