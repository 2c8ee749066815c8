/** Who comes in at a secured server, and who is put out again. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { type Code, FlError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { connectNats } from "../../src/nats/connect.ts";
import type { Authority } from "../../src/pki/authority.ts";
import type { Credentials } from "../../src/pki/credentials.ts";
import { CA, CERT, KEY } from "../../src/pki/files.ts";
import { FED, securedServer, testAuthority } from "../support/secured.ts";
import { testServer } from "../support/server.ts";

const DAY_MS = 86_400_000;

/** What a certificate's files say, unjudged. */
async function shown(pki: Authority, name: string): Promise<Credentials> {
  const read = (file: string) => readFile(join(pki.folder({ kind: "envoy", name }), file), "utf8");
  const [ca, cert, key] = await Promise.all([CA, CERT, KEY].map(read));
  return { ca: ca!, cert: cert!, key: key!, identity: { fed: FED, kind: "envoy", name } };
}

test("C35 no certificate, another authority's, one that ran out, and a name that is not listed stay outside", async (t) => {
  const s = await securedServer(t, ["director director", "envoy north", "envoy gone"]);
  const north = await s.credentials("envoy north");
  const refused = async (code: Code, said: RegExp, credentials: Credentials | undefined): Promise<void> => {
    const e = await connectNats({ url: s.url, name: "envoy-north", log: silentLog, credentials }).then(
      (ports) => ports.close(),
      (e: unknown) => e,
    );
    t.true(e instanceof FlError, String(e));
    t.is((e as FlError).code, code);
    t.regex((e as FlError).message, said);
  };
  const other = await shown(await testAuthority(t, ["envoy north"]), "north");
  await s.pki.issue({ kind: "envoy", name: "late", days: 1, now: Date.now() - 2 * DAY_MS });
  await s.pki.issue({ kind: "envoy", name: "unlisted", days: 1, now: Date.now() });
  await s.pki.revoke("gone", undefined, Date.now());
  await t.notThrowsAsync(s.connect("envoy gone")); // the server has not been told
  await s.admit();
  await s.pki.issue({ kind: "envoy", name: "newer", days: 1, now: Date.now() }); // nor of this one
  await Promise.all([
    refused("FL_TLS", /the server wants to see a certificate/, undefined),
    refused("FL_TLS", /the server does not take it/, { ...other, ca: north.ca }),
    refused("FL_TLS", /the server's: unable to verify/, other),
    refused("FL_TLS", /the server does not take it/, await shown(s.pki, "late")),
    refused("FL_DENIED", /Authorization/, await shown(s.pki, "newer")),
    refused("FL_DENIED", /Authorization/, await shown(s.pki, "gone")),
  ]);
  await t.notThrowsAsync(s.connect("envoy unlisted"));
});

test("who is revoked is cut off, and who is not stays", async (t) => {
  const s = await securedServer(t, ["director director", "envoy north", "envoy south"]);
  const [director, north, south] = await Promise.all(
    (["director director", "envoy north", "envoy south"] as const).map((who) => s.connect(who)),
  );
  let back = 0;
  for (const ports of [director!, north!]) ports.bus.onReconnect(() => back++);
  const beats = new Set<string>();
  director!.bus.subscribe(`fl.v1.${FED}.envoy.*.heartbeat`, (m) => {
    beats.add(m.subject);
    m.respond(new Uint8Array(1));
  });
  await director!.bus.flush();
  const beat = (ports: typeof north, name: string) =>
    ports!.bus.request(`fl.v1.${FED}.envoy.${name}.heartbeat`, new Uint8Array(1), { timeoutMs: 5_000 });
  await Promise.all([beat(north, "north"), beat(south, "south")]);
  await s.pki.revoke("south", undefined, Date.now());
  await s.pki.issue({ kind: "envoy", name: "west", days: 1, now: Date.now() });
  await s.admit();
  await t.throwsAsync(beat(south, "south"), { instanceOf: FlError });
  t.is((await south!.over)?.code, "FL_DENIED");
  await beat(north, "north");
  const west = await s.connect("envoy west");
  await beat(west, "west");
  t.is(back, 0);
});

test("what a name may not do fails at once, and says so", async (t) => {
  const s = await securedServer(t, ["director director", "envoy north"]);
  const { bus, store } = await s.connect("envoy north");
  const heartbeat = (name: string) =>
    bus.request(`fl.v1.${FED}.envoy.${name}.heartbeat`, new Uint8Array(1), { timeoutMs: 60_000 });
  const e = await t.throwsAsync(heartbeat("south"), { instanceOf: FlError, code: "FL_DENIED" });
  t.regex(e!.message, /publishing on fl\.v1\.test\.envoy\.south\.heartbeat/);
  await t.throwsAsync(heartbeat("north"), { instanceOf: FlError, code: "FL_NO_RESPONDER" });
  const experiments = await store.table({ name: `fl-${FED}-experiments` });
  await t.throwsAsync(experiments.get("another"), { instanceOf: FlError, code: "FL_DENIED" });
  await t.throwsAsync(experiments.put("another", new Uint8Array(1)), { instanceOf: FlError, code: "FL_DENIED" });
});

test("a server that shows no TLS to whoever asks for it is not talked to", async (t) => {
  const server = await testServer(t);
  const credentials = await shown(await testAuthority(t, ["envoy north"]), "north");
  const e = await t.throwsAsync(connectNats({ url: server.url, name: "x", log: silentLog, credentials }), {
    instanceOf: FlError,
  });
  t.is((e as FlError).code, "FL_TLS", e?.message);
});
