/**
 * A secured server, its authority, and certificates for tests: one of everything, and what should not come in.
 */
import { join } from "node:path";
import { silentLog } from "../../src/log.ts";
import { renderAccounts } from "../../src/nats/accounts.ts";
import { connectNats, type NatsPorts } from "../../src/nats/connect.ts";
import { type Server, startServer } from "../../src/nats/server.ts";
import { Authority } from "../../src/pki/authority.ts";
import { type Credentials, loadCredentials } from "../../src/pki/credentials.ts";
import { temporaryDir } from "./server.ts";

export const FED = "test";
const DAYS = 30;

type Teardown = { teardown(end: () => Promise<void>): void };

/** `envoy north` */
export type Who = `${"director" | "envoy" | "manager" | "part"} ${string}`;

export type SecuredServer = {
  readonly url: string;
  readonly server: Server;
  readonly pki: Authority;
  /** where its certificate is; one that is not there is issued */
  folder(who: Who): Promise<string>;
  credentials(who: Who): Promise<Credentials>;
  /** A connection of that member's, closed with the test. */
  connect(who: Who, name?: string): Promise<NatsPorts>;
  /** The server takes what the authority says now. */
  admit(): Promise<void>;
};

export const members = (pki: Authority): string => renderAccounts(pki.fed, pki.members);

/** The authority's own folder, with a server's certificate. */
export async function testAuthority(t: Teardown, who: readonly Who[], now = Date.now()): Promise<Authority> {
  const pki = await Authority.make(join(await temporaryDir(t), "pki"), { fed: FED, days: 2 * DAYS, now });
  await pki.issue({ kind: "server", name: "hub", hosts: ["127.0.0.1", "localhost"], days: DAYS, now });
  for (const one of who) await pki.issue({ ...named(one), days: DAYS, now });
  return pki;
}

const named = (who: Who): { kind: string; name: string } => {
  const [kind = "", name = ""] = who.split(" ");
  return { kind, name };
};

export async function securedServer(t: Teardown, who: readonly Who[]): Promise<SecuredServer> {
  const pki = await testAuthority(t, who);
  const own = pki.folder({ kind: "server", name: "hub" });
  const files = { ca: join(own, "ca.pem"), cert: join(own, "cert.pem"), key: join(own, "key.pem") };
  const server = await startServer({
    dir: await temporaryDir(t),
    secured: { ...files, accounts: members(pki) },
  });
  t.teardown(() => server.stop());
  const folder = async (one: Who): Promise<string> => pki.folder(named(one) as never);
  const credentials = async (one: Who): Promise<Credentials> =>
    (await loadCredentials({ creds: await folder(one) }, Date.now()))!;
  return {
    ...{ url: server.url, server, pki, folder, credentials },
    admit: () => server.admit(members(pki)),
    connect: async (one, name = one.replace(" ", "-")) => {
      const ports = await connectNats({ url: server.url, name, log: silentLog, credentials: await credentials(one) });
      t.teardown(() => ports.close());
      return ports;
    },
  };
}
