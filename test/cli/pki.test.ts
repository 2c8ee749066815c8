/** `entente pki`, `server --pki` and `up --pki`: from nothing to members who come in, and go out again. */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { Authority } from "../../src/pki/authority.ts";
import { Cli, run } from "../support/cli.ts";
import { temporaryDir } from "../support/server.ts";

test("C36 an authority is made, gives out certificates, and signs the request of a site whose key stays there", async (t) => {
  const dir = await temporaryDir(t);
  const pki = async (...args: string[]) => run(t, ["pki", ...args, "--json"], dir);
  const made = await pki("init", "authority", "--fed", "clinic");
  t.is(made.exit, 0, made.said.join("\n"));
  t.is(made.of("authority")[0]?.fed, "clinic");
  const hub = await pki("issue", "authority", "server", "hub", "--host", "localhost");
  t.like(hub.of("certificate")[0], { kind: "server", name: "hub", state: "good" });

  const asked = await pki("request", "site", "envoy", "north", "--fed", "clinic");
  const { digest } = asked.of("request")[0]!;
  t.deepEqual((await readdir(join(dir, "site"))).sort(), ["key.pem", "request.pem"]);
  t.is((await stat(join(dir, "site", "key.pem"))).mode & 0o777, 0o600);
  const swapped = await pki("sign", "authority", "site/request.pem", "--digest", `00${digest.slice(2)}`);
  t.is(swapped.exit, 1);
  t.is(swapped.of("error")[0]?.code, "FL_DIGEST_MISMATCH");
  const signed = await pki("sign", "authority", "site/request.pem", "--digest", digest);
  t.like(signed.of("certificate")[0], { kind: "envoy", name: "north", fed: "clinic", state: "good" });
  t.deepEqual((await readdir(join(dir, "authority", "envoy-north"))).sort(), ["ca.pem", "cert.pem"]);
  t.is((await pki("issue", "authority", "envoy", "north")).of("error")[0]?.code, "FL_EXISTS");
  t.is((await pki("init", "authority")).of("error")[0]?.code, "FL_EXISTS");

  const conf = await pki("conf", "authority", "members.conf", "--server", "hub");
  t.like(conf.of("conf")[0], { server: "hub", members: 1 });
  t.regex(await readFile(join(dir, "members.conf"), "utf8"), /"north\.1@envoy\.clinic"/);
  const revoked = await pki("revoke", "authority", "north");
  t.is(revoked.of("certificate")[0]?.state, "revoked");
  t.is(revoked.of("conf")[0]?.members, 0);
  t.notRegex(await readFile(join(dir, "members.conf"), "utf8"), /north/);
  const list = await pki("list", "authority");
  t.deepEqual(
    list.of("certificate").map(({ kind, name, state }) => `${kind} ${name} ${state}`),
    ["envoy north revoked", "server hub good"],
  );
});

test("an authority whose key is encrypted wants its passphrase", async (t) => {
  const dir = await temporaryDir(t);
  await writeFile(join(dir, "word"), "open sesame\n");
  t.is((await run(t, ["pki", "init", "a", "--passphrase", "word", "--json"], dir)).exit, 0);
  const without = await run(t, ["pki", "issue", "a", "envoy", "north", "--json"], dir);
  t.is(without.of("error")[0]?.code, "FL_PKI");
  t.is((await run(t, ["pki", "issue", "a", "envoy", "north", "--passphrase", "word", "--json"], dir)).exit, 0);
});

test("a federation of up --pki is its members' only; one who is revoked is out while it runs", async (t) => {
  const dir = await temporaryDir(t);
  const entente = (...args: string[]) => run(t, [...args, "--json"], dir);
  await Authority.make(join(dir, "pki"), { fed: "clinic", days: 3650, now: Date.now() });
  const params = JSON.stringify({ trainLimit: 50, validationLimit: 50 });
  const up = new Cli(t, ["up", "--pki", "pki", "--envoys", "1", "--params", params, "--json"], dir);
  const { url, fed } = await up.line("server");
  t.is(fed, "clinic");
  await up.line("process", ({ role, state }) => role === "envoy" && state === "ready");
  const pki = await Authority.open(join(dir, "pki"));
  await pki.issue({ kind: "manager", name: "ann", days: 1, now: Date.now() }); // the server follows the list
  const news = (n: number) =>
    up.line("notice", () => up.of("notice").filter(({ text }) => /new list of members/.test(text)).length === n);
  await news(1);
  const creds = ["--creds", "pki/manager-ann", "--nats", url];
  const status = await entente("status", "--envoys", ...creds);
  t.deepEqual(
    status.of("envoy").map(({ name, online }) => [name, online]),
    [["envoy-1", true]],
  );
  t.is((await entente("status", "--nats", url)).of("error")[0]?.code, "FL_TLS");
  await entente("pki", "revoke", "pki", "ann");
  await news(2);
  t.is((await entente("status", ...creds)).of("error")[0]?.code, "FL_DENIED");
});

test("D01 a Director has TLS off or on from one file, and does not start with less than all three files", async (t) => {
  const dir = await temporaryDir(t);
  const pki = await Authority.make(join(dir, "pki"), { fed: "main", days: 2, now: Date.now() });
  await pki.issue({ kind: "server", name: "hub", hosts: ["127.0.0.1"], days: 1, now: Date.now() });
  await pki.issue({ kind: "director", name: "director", days: 1, now: Date.now() });
  const server = new Cli(t, ["server", "--pki", "pki", "--json"], dir);
  const open = new Cli(t, ["server", "--dir", "open", "--json"], dir);
  const files = [
    "tlsCa: ./pki/director-director/ca.pem",
    "tlsCert: ./pki/director-director/cert.pem",
    "tlsKey: ./pki/director-director/key.pem",
  ];
  const told = async (name: string, lines: string[]): Promise<string[]> => {
    await writeFile(join(dir, name), `${lines.join("\n")}\n`);
    return ["director", "--config", name, "--json"];
  };
  const nats = `nats: ${(await server.line("server")).url}`;
  const half = await run(t, await told("half.yaml", [nats, ...files.slice(0, 2)]), dir);
  t.is(half.exit, 1);
  t.is(half.of("error")[0]?.code, "FL_TLS");
  t.regex(half.of("error")[0]!.message, /all three files, and --tls-key is not given/);
  const without = await run(t, await told("without.yaml", [nats]), dir);
  t.is(without.of("error")[0]?.code, "FL_TLS");
  const on = new Cli(t, await told("on.yaml", [nats, ...files]), dir);
  t.is((await on.line("process")).state, "ready");
  const off = new Cli(t, await told("off.yaml", [`nats: ${(await open.line("server")).url}`]), dir);
  t.is((await off.line("process")).state, "ready");
});
