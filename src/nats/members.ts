/**
 * A secured server's side of its authority: its own files, and the members as they come and go.
 *
 * W1 Whoever changes the authority's list (`entente pki issue`, `sign`, `revoke`) need not tell a server that follows it.
 * W2 A list that cannot be read changes nothing: the members of before stay, and the log says so.
 */
import { watch } from "node:fs";
import { join, resolve } from "node:path";
import { FlError } from "../errors.ts";
import { Authority, REGISTRY } from "../pki/authority.ts";
import { CA, CERT, KEY } from "../pki/files.ts";
import { renderAccounts } from "./accounts.ts";
import type { Secured } from "./server-config.ts";

/** What the authority says now. `name`: the server's own. @throws FL_NOT_FOUND, FL_PKI */
export async function securedBy(dir: string, name: string): Promise<Secured & { readonly fed: string }> {
  const pki = await Authority.open(dir);
  const entry = pki.entries.find((e) => e.kind === "server" && e.name === name);
  if (entry === undefined) {
    const hint = `entente pki issue ${dir} server ${name} --host NAME, for each name or address it is reached by`;
    throw new FlError("FL_NOT_FOUND", { reason: `no server ${name} has a certificate`, hint });
  }
  const at = (file: string): string => resolve(join(pki.folder({ kind: "server", name }), file));
  const files = { ca: at(CA), cert: at(CERT), key: at(KEY) };
  return { ...files, fed: pki.fed, accounts: renderAccounts(pki.fed, pki.members) };
}

/** Tells the server of every change (W1). Returns what ends it. */
export function followMembers(
  dir: string,
  admit: (accounts: string) => Promise<void>,
  say: (line: string) => void,
): () => void {
  let told: string | undefined;
  let working = Promise.resolve();
  const look = async (): Promise<void> => {
    const pki = await Authority.open(dir);
    const accounts = renderAccounts(pki.fed, pki.members);
    if (accounts === told) return;
    await admit(accounts);
    if (told !== undefined) say("the server has taken the authority's new list of members");
    told = accounts;
  };
  const again = (): void => {
    working = working.then(look).catch((e: Error) => say(`the members stay as they were: ${e.message}`)); // W2
  };
  const watcher = watch(dir, (_, file) => {
    if (file === REGISTRY) again();
  });
  watcher.on("error", (e) => say(`the members stay as they are: ${e.message}`));
  again(); // what has changed since the server was started
  return () => watcher.close();
}
