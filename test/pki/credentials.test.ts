/** The three files that one shows at a TLS connection. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { FlError } from "../../src/errors.ts";
import { Authority } from "../../src/pki/authority.ts";
import { checkBearer, loadCredentials } from "../../src/pki/credentials.ts";
import type { MemberKind } from "../../src/pki/identity.ts";
import { temporaryDir } from "../support/server.ts";

const now = Date.now();
const DAY_MS = 86_400_000;

async function site(t: Parameters<typeof temporaryDir>[0]) {
  const pki = await Authority.make(join(await temporaryDir(t), "pki"), { fed: "main", days: 100, now });
  const north = await pki.issue({ kind: "envoy", name: "north", days: 10, now });
  const south = await pki.issue({ kind: "envoy", name: "south", days: 10, now });
  const files = (folder: string) => ({
    tlsCa: join(folder, "ca.pem"),
    tlsCert: join(folder, "cert.pem"),
    tlsKey: join(folder, "key.pem"),
  });
  return { pki, north: north.folder, south: south.folder, files };
}

test("a folder or three files, and the name is the certificate's", async (t) => {
  const { north, files } = await site(t);
  const folder = await loadCredentials({ creds: north }, now);
  t.deepEqual(folder?.identity, { fed: "main", kind: "envoy", name: "north" });
  t.deepEqual(await loadCredentials(files(north), now), folder);
  t.deepEqual(await loadCredentials({ creds: "/elsewhere", ...files(north) }, now), folder);
  t.is(await loadCredentials({}, now), undefined);
});

test("TLS that is half set up is refused, with what is missing", async (t) => {
  const { north, files } = await site(t);
  const all = files(north);
  const refused = (settings: Parameters<typeof loadCredentials>[0]) =>
    t.throwsAsync(loadCredentials(settings, now), { instanceOf: FlError, code: "FL_TLS" });
  for (const [key, flag] of [
    ["tlsCa", "--tls-ca"],
    ["tlsCert", "--tls-cert"],
    ["tlsKey", "--tls-key"],
  ] as const) {
    t.regex(
      (await refused({ ...all, [key]: undefined }))!.message,
      new RegExp(`all three files, and ${flag} is not given`),
    );
    t.regex((await refused({ ...all, [key]: `${north}/none.pem` }))!.message, /there is no .*none\.pem/);
  }
});

test("what the server would refuse is told by its cause before", async (t) => {
  const { pki, north, south, files } = await site(t);
  const refused = async (settings: Parameters<typeof loadCredentials>[0], at = now) =>
    (await t.throwsAsync(loadCredentials(settings, at), { instanceOf: FlError, code: "FL_TLS" }))!.message;
  t.regex(await refused({ ...files(north), tlsKey: files(south).tlsKey }), /do not belong together/);
  t.regex(await refused({ creds: north }, now + 11 * DAY_MS), /ran out on \d{4}-\d\d-\d\d/);
  const other = await Authority.make(join(pki.dir, "other"), { fed: "main", days: 1, now });
  t.regex(await refused({ ...files(north), tlsCa: join(other.dir, "ca.pem") }), /not signed by the authority/);
  await writeFile(join(south, "cert.pem"), "no certificate");
  t.regex(await refused({ creds: south }), /cannot be read/);
});

test("nobody goes by another name than the certificate's", async (t) => {
  const { north } = await site(t);
  const credentials = (await loadCredentials({ creds: north }, now))!;
  const as =
    (kinds: MemberKind[], name: string, fed = "main") =>
    () =>
      checkBearer(credentials, { fed, kinds, name });
  t.notThrows(as(["envoy"], "north"));
  for (const [who, said] of [
    [as(["envoy"], "south"), /envoy north's, and this is south/],
    [as(["director"], "north"), /envoy north's, and director is needed/],
    [as(["envoy"], "north", "other"), /of federation main, and this is other/],
  ] as const) {
    t.regex(t.throws(who, { instanceOf: FlError, code: "FL_TLS" })!.message, said);
  }
});
