/** Where the nats-server program comes from. Servers here are scripts that print a version; archives are local. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { FlError } from "../../src/errors.ts";
import { type Fetcher, fetchers, fetchServer, type LocateOptions, locateServer } from "../../src/nats/server-binary.ts";
import { own, parseDeb822, parseOneLine, sourcesFor } from "../../src/nats/server-package.ts";
import { pinned, platformName, type Release, unpackRelease } from "../../src/nats/server-release.ts";
import { checkServerVersion, compareVersions } from "../../src/nats/version.ts";
import { temporaryDir } from "../support/server.ts";

async function fakeServer(dir: string, version: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, "nats-server");
  await writeFile(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  await chmod(path, 0o755);
  return path;
}

/** A machine with nothing on it: an empty PATH, an empty cache, no way to fetch. */
async function bareMachine(
  t: ExecutionContext,
): Promise<LocateOptions & { env: Record<string, string>; root: string }> {
  const root = await temporaryDir(t);
  return { root, env: { PATH: join(root, "bin"), XDG_CACHE_HOME: join(root, "cache") }, sbin: [], fetchers: [] };
}

const faked = (version: string): Fetcher => ({ name: `fake ${version}`, unpack: (work) => fakeServer(work, version) });
const broken: Fetcher = { name: "broken", unpack: () => Promise.reject(new Error("the mirror is on fire")) };

async function refused(t: ExecutionContext, attempt: Promise<unknown>): Promise<FlError> {
  const e = await t.throwsAsync(attempt, { instanceOf: FlError });
  return e ?? new FlError("FL_INTERNAL");
}

test("locate: NATS_SERVER wins over everything", async (t) => {
  const bare = await bareMachine(t);
  await fakeServer(join(bare.root, "bin"), "2.15.1");
  const named = await fakeServer(join(bare.root, "named"), "2.11.0");
  const found = await locateServer({ ...bare, env: { ...bare.env, NATS_SERVER: named } });
  t.deepEqual(found, { path: named, version: "2.11.0", warnings: [] });
});

test("locate: a NATS_SERVER that does not run is an error that says so, whatever else is installed", async (t) => {
  const bare = await bareMachine(t);
  await fakeServer(join(bare.root, "bin"), "2.15.1");
  const e = await refused(t, locateServer({ ...bare, env: { ...bare.env, NATS_SERVER: "/nowhere/nats-server" } }));
  t.is(e.code, "FL_NATS_NOT_FOUND");
  t.regex(e.message, /NATS_SERVER is set, but \/nowhere\/nats-server does not run/);
});

test("locate: a NATS_SERVER that is too old is an error that says so", async (t) => {
  const bare = await bareMachine(t);
  const named = await fakeServer(join(bare.root, "named"), "2.8.4");
  const e = await refused(t, locateServer({ ...bare, env: { ...bare.env, NATS_SERVER: named } }));
  t.is(e.code, "FL_NATS_TOO_OLD");
  t.like(e.detail, { found: "2.8.4", needed: "2.9.10" });
});

test("locate: PATH comes before the sbin directories, both before the cache, nothing is fetched", async (t) => {
  const bare = await bareMachine(t);
  const options = { ...bare, sbin: [join(bare.root, "sbin")], fetchers: [faked("2.99.0")] };
  t.is(
    (await locateServer(options)).path,
    join(bare.root, "cache/entente/nats-server-2.99.0"),
    "only fetching is left",
  );
  const inSbin = await fakeServer(join(bare.root, "sbin"), "2.11.0");
  t.is((await locateServer(options)).path, inSbin);
  const onPath = await fakeServer(join(bare.root, "bin"), "2.10.23");
  t.is((await locateServer(options)).path, onPath);
});

test("locate: a cached server without warnings is preferred to an installed one with", async (t) => {
  const bare = await bareMachine(t);
  const installed = await fakeServer(join(bare.root, "bin"), "2.9.10");
  t.is((await locateServer(bare)).path, installed);
  await fetchServer({ ...bare, fetchers: [faked("2.15.1")] });
  t.is((await locateServer(bare)).version, "2.15.1");
});

test("locate: the newest cached server is used", async (t) => {
  const bare = await bareMachine(t);
  for (const version of ["2.10.23", "2.15.1", "2.9.10"]) await fetchServer({ ...bare, fetchers: [faked(version)] });
  t.is((await locateServer(bare)).version, "2.15.1");
});

test("locate: an installed server that is too old is passed over, and named when nothing else is found", async (t) => {
  const bare = await bareMachine(t);
  await fakeServer(join(bare.root, "bin"), "2.2.0");
  const e = await refused(t, locateServer({ ...bare, fetchers: [broken] }));
  t.is(e.code, "FL_NATS_TOO_OLD");
  t.like(e.detail, { found: "2.2.0", needed: "2.9.10" });
  t.is((await locateServer({ ...bare, fetchers: [faked("2.12.0")] })).version, "2.12.0");
});

test("locate: when nothing works, the error lists every attempt and why it failed", async (t) => {
  const bare = await bareMachine(t);
  const silent: Fetcher = { name: "silent", unpack: async (work) => `${work}/never-made` };
  const e = await refused(t, locateServer({ ...bare, fetchers: [broken, silent] }));
  t.is(e.code, "FL_NATS_NOT_FOUND");
  const tried = e.detail.tried;
  t.true(Array.isArray(tried) && tried.length === 2);
  t.regex(String(tried), /broken: the mirror is on fire,silent: .*never-made does not run/);
});

test("fetch: a binary that does not run here is not kept, and the next way is tried", async (t) => {
  const bare = await bareMachine(t);
  const alien: Fetcher = {
    name: "alien",
    unpack: async (work) => {
      const path = await fakeServer(work, "2.15.1");
      await writeFile(path, "#!/bin/sh\necho 'version GLIBC_9.99 not found' >&2\nexit 1\n");
      return path;
    },
  };
  const said: string[] = [];
  const found = await fetchServer({ ...bare, fetchers: [alien, faked("2.10.27")], log: (line) => said.push(line) });
  t.is(found.version, "2.10.27");
  t.deepEqual(await readdir(join(bare.root, "cache/entente")), ["nats-server-2.10.27"]);
  t.regex(said.join("\n"), /GLIBC_9.99 not found/);
});

test("fetch: many at once leave one whole binary and nothing else", async (t) => {
  const bare = await bareMachine(t);
  const found = await Promise.all(
    Array.from({ length: 8 }, () => fetchServer({ ...bare, fetchers: [faked("2.15.1")] })),
  );
  t.is(new Set(found.map((binary) => binary.path)).size, 1);
  t.deepEqual(await readdir(join(bare.root, "cache/entente")), ["nats-server-2.15.1"]);
});

test("locate: many that find nothing at once fetch once", async (t) => {
  const bare = await bareMachine(t);
  let fetches = 0;
  const counted: Fetcher = { name: "counted", unpack: (work) => fakeServer(work, `2.15.${++fetches}`) };
  const found = await Promise.all(Array.from({ length: 8 }, () => locateServer({ ...bare, fetchers: [counted] })));
  t.is(fetches, 1);
  t.is(new Set(found.map((binary) => binary.path)).size, 1);
});

test("locate: a cache that cannot be written is one of the reasons, not a crash", async (t) => {
  const bare = await bareMachine(t);
  await writeFile(join(bare.root, "cache"), "a file where a directory should be");
  const e = await refused(t, locateServer({ ...bare, fetchers: [faked("2.15.1")] }));
  t.is(e.code, "FL_NATS_NOT_FOUND");
  t.regex(String(e.detail.tried), /the cache .* cannot be written/);
});

test("fetch: a candidate is only the last resort", (t) => {
  const isLast = fetchers.at(-1)?.name.includes(pinned.version) === true;
  t.is(isLast, pinned.version.includes("-"));
});

/** A release archive served on the loopback, and a table that pins it. */
async function localRelease(t: ExecutionContext): Promise<Release> {
  const dir = await temporaryDir(t);
  const name = `nats-server-v2.12.9-${platformName()}`;
  await fakeServer(join(dir, name), "2.12.9");
  execFileSync("tar", ["-czf", join(dir, "archive.tar.gz"), "-C", dir, name]);
  const archive = await readFile(join(dir, "archive.tar.gz"));
  const http = createServer((request, reply) => {
    if (request.url === `/v2.12.9/${name}.tar.gz`) reply.end(archive);
    else reply.writeHead(404).end();
  });
  await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
  t.teardown(() => new Promise<void>((closed) => http.close(() => closed())));
  const address = http.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const sha256 = { [platformName()]: createHash("sha256").update(archive).digest("hex") };
  return { version: "2.12.9", base: `http://127.0.0.1:${port}`, sha256 };
}

test("release: an archive with the pinned digest is unpacked and runs", async (t) => {
  const bare = await bareMachine(t);
  const release = await localRelease(t);
  const found = await fetchServer({
    ...bare,
    fetchers: [{ name: "local", unpack: (work) => unpackRelease(work, release) }],
  });
  t.is(found.version, "2.12.9");
});

test("release: an archive with another digest is refused before it is unpacked", async (t) => {
  const work = await temporaryDir(t);
  const release = { ...(await localRelease(t)), sha256: { [platformName()]: "0".repeat(64) } };
  await t.throwsAsync(unpackRelease(work, release), { message: /has SHA-256 [0-9a-f]{64}, pinned is 0{64}/ });
  t.deepEqual(await readdir(work), []);
});

test("release: a platform without a pinned digest is skipped with that reason", async (t) => {
  const work = await temporaryDir(t);
  await t.throwsAsync(unpackRelease(work, pinned, "plan9-mips"), { message: "no digest is pinned for plan9-mips" });
});

test("release: an address that refuses fails at once and says so; so does a missing archive", async (t) => {
  const work = await temporaryDir(t);
  const release = await localRelease(t);
  await t.throwsAsync(unpackRelease(work, { ...release, base: "http://127.0.0.1:1" }), {
    message: /ECONNREFUSED|bad port/,
  });
  await t.throwsAsync(unpackRelease(work, { ...release, version: "2.0.0" }), { message: /HTTP 404/ });
});

const debian = "/usr/share/keyrings/debian-archive-keyring.gpg";
const deb822 = `# comment
Types: deb
# another
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: ${debian}

Types: deb deb-src
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
Signed-By: ${debian}

Types: deb
URIs: https://vendor.example/linux/debian
Suites: bookworm
Components: main
Signed-By: /etc/apt/keyrings/vendor.asc

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
`;

test("package: only the distribution's own main archive is asked for another suite, with its keyring", (t) => {
  const expected = `Types: deb\nURIs: http://mirror.example/debian\nSuites: testing\nComponents: main\nSigned-By: ${debian}\n`;
  t.is(sourcesFor("testing", parseDeb822(deb822)), expected);
  const list = `deb [arch=amd64 signed-by=${debian}] http://mirror.example/debian bookworm main contrib # mirror
deb-src http://mirror.example/debian bookworm main
deb https://vendor.example/apt cloud-sdk-bookworm main
deb [signed-by=/k.gpg] https://vendor.example/debian bookworm main`;
  t.is(sourcesFor("testing", parseOneLine(list)), expected);
});

test("package: the system's own suites are asked as they stand, updates and security included", (t) => {
  const text = sourcesFor(own, parseDeb822(deb822)) ?? "";
  t.regex(text, /Suites: bookworm bookworm-updates\n/);
  t.regex(text, /Suites: bookworm-security\n/);
  t.notRegex(text, /vendor|off\.example/);
});

test("package: a key block inside the entry is kept line for line", (t) => {
  const block = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINB\n -----END PGP PUBLIC KEY BLOCK-----\n";
  const entries = parseDeb822(
    `Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\nComponents: main\n${block}`,
  );
  t.true(sourcesFor("testing", entries)?.includes(" .\n mQINB\n -----END"));
});

test("package: an Ubuntu system has no Debian suite, only its own", (t) => {
  const entries = parseOneLine("deb http://mirror.example/ubuntu noble main universe\n");
  t.is(sourcesFor("testing", entries), undefined);
  t.regex(sourcesFor(own, entries) ?? "", /Suites: noble\nComponents: main universe/);
  t.is(sourcesFor(own, []), undefined);
});

test("version: order follows the numbers, and a candidate comes before its release", (t) => {
  const ordered = ["junk", "2.9.10", "2.10.0", "v2.10.23-RC.1", "2.10.23", "2.15.1"];
  t.deepEqual([...ordered].reverse().sort(compareVersions), ordered);
});

test("version: too old is refused, below 2.10.23 warns, from 2.10.23 on there is nothing to say", (t) => {
  for (const version of ["2.9.9", "1.4.1", "", "junk"]) {
    const e = t.throws(() => checkServerVersion(version), { instanceOf: FlError });
    t.is(e?.code, "FL_NATS_TOO_OLD");
    t.like(e?.detail, { found: version, needed: "2.9.10" });
  }
  t.regex(checkServerVersion("2.9.10").warnings.join(), /no sync_interval.*power failure may lose acknowledged writes/);
  t.notRegex(checkServerVersion("2.10.20").warnings.join(), /sync_interval/);
  t.regex(checkServerVersion("2.10.20").warnings.join(), /could lose a whole stream/);
  t.deepEqual(checkServerVersion("2.10.23"), { ok: true, warnings: [] });
  t.deepEqual(checkServerVersion("v2.15.1"), { ok: true, warnings: [] });
});
