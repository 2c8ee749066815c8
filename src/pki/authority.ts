/**
 * An authority's directory: who the members of a federation are, and their certificates.
 *
 *   pki/ca.pem ca.key           the authority; its key may be encrypted
 *   pki/members.json            who has been given a certificate, and who is out again
 *   pki/<kind>-<name>/          what a member is handed: ca.pem cert.pem key.pem
 *
 * A1 Who is in members.json and not revoked is a member, and nobody else is: the server's users are made from it.
 * A2 A name is given out once. To renew or to replace what was revoked is to say so (`force`).
 * A3 The list is written before a certificate leaves the directory: there is none that the list does not know.
 * A4 The authority's key never leaves the directory, and a member's key need not come here: see `sign`.
 */
import { join } from "node:path";
import { z } from "zod";
import { FlError } from "../errors.ts";
import { parseStrict } from "../validate.ts";
import { TOKEN } from "../wire/template.ts";
import type { Hosts, Issued, Signer } from "./certificate.ts";
import { CA, CERT, KEY, putFile, readText } from "./files.ts";
import { checkIdentity, type Identity, kinds, type Member, type MemberKind, spoken } from "./identity.ts";
import { generateKey, keyFromPem, keyToPem } from "./key.ts";

/** Loaded by whoever makes a certificate: a server only reads the list, and starts sooner without. */
const making = (): Promise<typeof import("./certificate.ts")> => import("./certificate.ts");

const given = z.strictObject({ serial: z.string(), digest: z.string(), not_after: z.number() });
const entry = z.strictObject({
  kind: z.enum(kinds),
  name: z.string().regex(TOKEN),
  generation: z.int().positive(),
  certificates: z.array(given),
  revoked_at: z.number().nullable(),
});
export type Entry = z.infer<typeof entry>;
const registry = z.strictObject({
  v: z.literal(1),
  fed: z.string().regex(TOKEN),
  /** where the server's configuration is kept, and how it was asked for */
  server: z.strictObject({ file: z.string(), files: z.string(), name: z.string() }).nullable(),
  members: z.array(entry),
});
type Registry = z.infer<typeof registry>;
export type ServerFile = NonNullable<Registry["server"]>;

export const REGISTRY = "members.json";
const CA_KEY = "ca.key";

export type Wanted = {
  readonly kind: string;
  readonly name: string;
  readonly hosts?: Hosts | undefined;
  readonly days: number;
  readonly now: number;
  readonly force?: boolean;
};

export class Authority {
  readonly dir: string;
  #registry: Registry;

  /** Makes one. @throws FL_EXISTS, FL_SUBJECT_TOKEN */
  static async make(
    dir: string,
    { fed, days, now, passphrase }: { fed: string; days: number; now: number; passphrase?: string | undefined },
  ): Promise<Authority> {
    checkIdentity({ fed, kind: "server", name: "any" });
    for (const file of [REGISTRY, CA, CA_KEY]) {
      if ((await readText(join(dir, file))) === undefined) continue;
      throw new FlError("FL_EXISTS", {
        reason: `${dir} holds an authority already`,
        hint: "choose another directory: whoever has a certificate of the old one would be shut out",
      });
    }
    const key = generateKey();
    const { pem } = await (await making()).makeAuthority(fed, key, days, now);
    await putFile(join(dir, CA_KEY), keyToPem(key, passphrase), { secret: true });
    await putFile(join(dir, CA), pem);
    const authority = new Authority(dir, { v: 1, fed, server: null, members: [] });
    await authority.#save();
    return authority;
  }

  /** @throws FL_NOT_FOUND, FL_PKI */
  static async open(dir: string): Promise<Authority> {
    const text = await readText(join(dir, REGISTRY));
    if (text === undefined) {
      throw new FlError("FL_NOT_FOUND", { reason: `${dir} holds no authority`, hint: `entente pki init ${dir}` });
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (e) {
      throw new FlError("FL_PKI", { reason: `${REGISTRY} is not JSON`, dir }, { cause: e });
    }
    return new Authority(dir, parseStrict(registry, value, { code: "FL_PKI", what: join(dir, REGISTRY) }));
  }

  private constructor(dir: string, registry: Registry) {
    this.dir = dir;
    this.#registry = registry;
  }

  get fed(): string {
    return this.#registry.fed;
  }

  /** Everyone who was ever given a certificate, servers too. */
  get entries(): readonly Entry[] {
    return this.#registry.members;
  }

  /** Who may come in (A1). */
  get members(): Member[] {
    return this.entries.flatMap(({ kind, name, generation, revoked_at }) =>
      kind === "server" || revoked_at !== null ? [] : [{ kind: kind as MemberKind, name, generation }],
    );
  }

  get server(): ServerFile | null {
    return this.#registry.server;
  }

  async keepServer(server: ServerFile): Promise<void> {
    this.#registry = { ...this.#registry, server };
    await this.#save();
  }

  /** The folder of a member's files. */
  folder({ kind, name }: Pick<Identity, "kind" | "name">): string {
    return join(this.dir, `${kind}-${name}`);
  }

  /** A key and a certificate for it, in the member's folder. @throws FL_EXISTS, FL_PKI, FL_USAGE, FL_SUBJECT_TOKEN */
  async issue(wanted: Wanted, passphrase?: string): Promise<{ folder: string; issued: Issued }> {
    const { kind, name, hosts = [], days, now, force = false } = wanted;
    const identity = checkIdentity({ fed: this.fed, kind, name });
    const folder = this.folder(identity);
    const before = this.#admissible(identity, force);
    if (!force && (await readText(join(folder, KEY))) !== undefined) {
      throw new FlError("FL_EXISTS", { reason: `${folder} holds a key already`, hint: "--force overwrites it" });
    }
    const key = generateKey();
    const issued = await this.#sign(identity, before, key, { hosts, days, now }, passphrase);
    await putFile(join(folder, KEY), keyToPem(key), { secret: true, over: force });
    await this.#hand(folder, issued, force);
    return { folder, issued };
  }

  /**
   * A certificate for a key that stays where it is (A4). `digest` is what whoever made the request reads out: a request
   * that was swapped on its way has another.
   * @throws FL_DIGEST_MISMATCH, FL_EXISTS, FL_PKI
   */
  async sign(
    request: string,
    { digest, days, now, force = false }: { digest: string; days: number; now: number; force?: boolean },
    passphrase?: string,
  ): Promise<{ folder: string; issued: Issued; identity: Identity }> {
    const asked = await (await making()).readRequest(request);
    const { identity, hosts } = asked;
    if (digest.toLowerCase().replaceAll(":", "") !== asked.digest) {
      const reason = "the request is not the one that was made there";
      throw new FlError("FL_DIGEST_MISMATCH", { reason, expected: digest, got: asked.digest });
    }
    if (identity.fed !== this.fed) {
      throw new FlError("FL_PKI", { reason: `the request is for federation ${identity.fed}, this is ${this.fed}` });
    }
    const before = this.#admissible(identity, force);
    const issued = await this.#sign(identity, before, asked.publicKey, { hosts, days, now }, passphrase);
    const folder = this.folder(identity);
    await this.#hand(folder, issued, force);
    return { folder, issued, identity };
  }

  /** Puts a member out. Its name can be given out again, as another's. @throws FL_NOT_FOUND, FL_USAGE, FL_STATE */
  async revoke(name: string, kind: string | undefined, now: number): Promise<Entry> {
    const found = this.entries.filter((e) => e.name === name && (kind === undefined || e.kind === kind));
    const [one] = found;
    if (one === undefined) {
      throw new FlError("FL_NOT_FOUND", { reason: `no certificate was given to ${kind ?? "anyone"} called ${name}` });
    }
    if (found.length > 1) {
      const reason = `${found.map(spoken).join(" and ")} have that name`;
      throw new FlError("FL_USAGE", { reason, hint: "say which one with --kind" });
    }
    if (one.kind === "server") {
      throw new FlError("FL_USAGE", {
        reason: "members do not ask whether a server's certificate was revoked",
        hint: "make a new authority: entente pki init",
      });
    }
    if (one.revoked_at !== null) throw new FlError("FL_STATE", { reason: `${spoken(one)} is revoked already` });
    const revoked = { ...one, revoked_at: now };
    await this.#write(revoked);
    return revoked;
  }

  /** A2 */
  #admissible({ kind, name }: Identity, force: boolean): Entry | undefined {
    const before = this.entries.find((e) => e.kind === kind && e.name === name);
    if (before === undefined || force) return before;
    const [state, hint] =
      before.revoked_at === null
        ? ["has a certificate already", "--force gives it a new one; the old one stays good until it runs out"]
        : ["was revoked", "--force gives the name out again; what was revoked stays out"];
    throw new FlError("FL_EXISTS", { reason: `${spoken(before)} ${state}`, hint });
  }

  async #sign(
    identity: Identity,
    before: Entry | undefined,
    publicKey: Parameters<typeof import("./certificate.ts").sign>[1],
    { hosts, days, now }: { hosts: Hosts; days: number; now: number },
    passphrase: string | undefined,
  ): Promise<Issued> {
    if (identity.kind === "server" && hosts.length === 0) {
      throw new FlError("FL_USAGE", {
        reason: "a server's certificate needs its names",
        hint: "--host NAME, as often as needed",
      });
    }
    const generation = before === undefined ? 1 : before.generation + (before.revoked_at === null ? 0 : 1);
    const { sign } = await making();
    const issued = await sign(await this.#signer(passphrase), publicKey, { identity, generation, hosts, days, now });
    const { serial, digest, notAfter } = issued;
    const kept = before?.generation === generation ? before.certificates : [];
    await this.#write({
      kind: identity.kind,
      name: identity.name,
      generation,
      certificates: [...kept, { serial, digest, not_after: notAfter }],
      revoked_at: null,
    }); // A3
    return issued;
  }

  async #signer(passphrase: string | undefined): Promise<Signer> {
    const [key, pem] = await Promise.all([readText(join(this.dir, CA_KEY)), readText(join(this.dir, CA))]);
    if (key === undefined || pem === undefined) {
      throw new FlError("FL_NOT_FOUND", { reason: `${CA} or ${CA_KEY} is missing in ${this.dir}` });
    }
    return { key: keyFromPem(key, passphrase), pem };
  }

  async #hand(folder: string, issued: Issued, over: boolean): Promise<void> {
    const ca = (await readText(join(this.dir, CA))) ?? "";
    await putFile(join(folder, CERT), issued.pem, { over });
    await putFile(join(folder, CA), ca, { over: true });
  }

  async #write(changed: Entry): Promise<void> {
    const others = this.entries.filter((e) => e.kind !== changed.kind || e.name !== changed.name);
    const members = [...others, changed].sort((a, b) => (spoken(a) < spoken(b) ? -1 : 1));
    this.#registry = { ...this.#registry, members };
    await this.#save();
  }

  #save(): Promise<void> {
    return putFile(join(this.dir, REGISTRY), `${JSON.stringify(this.#registry, null, 2)}\n`, { over: true });
  }
}

/** Whether the authority's key needs a passphrase. */
export async function isEncrypted(dir: string): Promise<boolean> {
  return (await readText(join(dir, CA_KEY)))?.includes("ENCRYPTED") ?? false;
}
