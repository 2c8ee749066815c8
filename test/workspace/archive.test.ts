import { randomBytes } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { Header, Pax } from "tar";
import { FlError } from "../../src/errors.ts";
import { LIMITS, packArchive, pathProblem, readArchive, sha256 } from "../../src/workspace/archive.ts";

type Entry = Partial<ConstructorParameters<typeof Header>[0]> & { path: string; data?: string | Uint8Array };

/** A tar with these entries, however wrong. A header that claims another size than its data has is left so. */
function tar(entries: (Entry | Uint8Array)[]): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (const e of entries) {
    if (e instanceof Uint8Array) {
      blocks.push(e);
      continue;
    }
    const { data = "", ...rest } = e;
    const body = Buffer.from(data);
    const header = new Header({ mode: 0o644, type: "File", size: body.length, mtime: new Date(0), ...rest });
    header.encode();
    blocks.push(header.block!, body, Buffer.alloc(-body.length & 511));
  }
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

const code = { path: "workspace.mjs", data: "export default {}" };
const read = (archive: Uint8Array) => readArchive(archive, sha256(archive));

const refused = async (t: ExecutionContext, archive: Uint8Array, says: RegExp, entry?: string) => {
  const error = await t.throwsAsync<FlError>(read(archive), { instanceOf: FlError });
  t.is(error?.code, "FL_ARCHIVE_INVALID");
  t.regex(error?.message ?? "", says);
  if (entry !== undefined) t.is(error?.detail.entry, entry);
};

test("archive: what is packed is what is read, and the same files give the same bytes (AR6)", async (t) => {
  const files = new Map([
    ["workspace.mjs", Buffer.from("export default 1")],
    ["parts/0.mjs", Buffer.alloc(512, 7)],
    ["empty", Buffer.alloc(0)],
  ]);
  const archive = packArchive(files);
  t.deepEqual(new Map([...(await read(archive)).files].sort()), new Map([...files].sort()));
  t.deepEqual(packArchive(new Map([...files].reverse())), archive);
});

test("archive: a wrong digest is told before anything is unpacked (AR1)", async (t) => {
  const error = await t.throwsAsync<FlError>(readArchive(Buffer.from("garbage"), sha256(Buffer.from("x"))));
  t.is(error?.code, "FL_DIGEST_MISMATCH");
});

test("archive: the manifest is optional, and checked when it is there", async (t) => {
  t.deepEqual((await read(tar([code]))).manifest, { v: 1, entry: "workspace.mjs", engine: "tfjs", parts: {} });
  const manifest = (data: unknown) => tar([code, { path: "manifest.json", data: JSON.stringify(data) }]);
  await refused(t, manifest({ v: 2 }), /v must be 1/);
  await refused(t, manifest({ v: 1, entri: "a.mjs" }), /entri is not a key; did you mean entry\?/);
  await refused(t, manifest({ v: 1, entry: "../a.mjs" }), /entry must be a plain relative path/);
  await refused(t, manifest({ v: 1, parts: { "./a.ts": "/etc/passwd" } }), /must be a plain relative path/);
  await refused(t, manifest({ v: 1, entry: "a.mjs" }), /there is no a\.mjs in it/, "a.mjs");
  await refused(t, tar([code, { path: "manifest.json", data: "{" }]), /manifest\.json is not JSON/);
});

test("archive: no path leaves the folder (AR3)", async (t) => {
  for (const path of ["../x", "a/../../x", "a/..", "..", "./../x"])
    await refused(t, tar([code, { path, data: "x" }]), /leaves the archive/, path);
  for (const path of ["/etc/passwd", "//x"]) await refused(t, tar([code, { path, data: "x" }]), /absolute/, path);
  for (const path of ["a\\..\\x", "C:x", "a\nb", "é", "a b", "x.", "a//b", "con:"])
    await refused(t, tar([code, { path, data: "x" }]), /characters other than/);
  await refused(t, tar([new Pax({ path: "d/".repeat(130) }).encode(), code]), /longer than 255/);
});

test("archive: a path from an extended header is checked as any other (AR3)", async (t) => {
  const pax = new Pax({ path: "../../escaped" }).encode();
  await refused(t, tar([pax, code]), /leaves the archive/, "../../escaped");
  const long = { path: "././@LongLink", type: "NextFileHasLongPath" as const, data: "/abs\0" };
  await refused(t, tar([long, code]), /absolute/, "/abs");
});

test("archive: links, devices and pipes are refused (AR2)", async (t) => {
  for (const type of ["SymbolicLink", "Link"] as const)
    await refused(t, tar([code, { path: "l", type, linkpath: "/etc/passwd" }]), new RegExp(`is a ${type}`), "l");
  for (const type of ["CharacterDevice", "BlockDevice", "FIFO"] as const)
    await refused(t, tar([code, { path: "d", type }]), new RegExp(`is a ${type}`), "d");
  for (const type of ["SparseFile", "GNUDumpDir", "TapeVolumeHeader"] as const)
    await refused(t, tar([code, { path: "o", type }]), /./);
});

test("archive: no name appears twice, whatever its case, and no file is a folder (AR3)", async (t) => {
  await refused(t, tar([code, { path: "WORKSPACE.mjs", data: "2" }]), /appears twice/);
  await refused(t, tar([code, { path: "./workspace.mjs", data: "2" }]), /appears twice/);
  await refused(t, tar([code, { path: "a", data: "1" }, { path: "a/b", data: "1" }]), /its folder is a file/, "a/b");
  await refused(t, tar([code, { path: "a/b", data: "1" }, { path: "a", data: "1" }]), /appears twice/, "a");
});

test("archive: the runtime's own names are not an archive's to bring (AR5)", async (t) => {
  for (const path of ["node_modules/entente/index.js", "node_modules/@TensorFlow/tfjs/i.js", ".entente-archive"])
    await refused(t, tar([code, { path, data: "x" }]), /runtime/, path);
  await t.notThrowsAsync(read(tar([code, { path: "node_modules/mine/index.js", data: "x" }])));
});

test("archive: at most 1,000 entries (AR4)", async (t) => {
  const many = (n: number) => Array.from({ length: n }, (_, i) => ({ path: `f${i}` }));
  t.is((await read(tar([code, ...many(LIMITS.entries - 1)]))).files.size, LIMITS.entries);
  await refused(t, tar([code, ...many(LIMITS.entries)]), /entry 1001/);
  const folders = Array.from({ length: LIMITS.entries }, (_, i) => ({ path: `d${i}/`, type: "Directory" as const }));
  await refused(t, tar([code, ...folders]), /entry 1001/);
});

test("archive: at most 16 MiB packed (AR4)", async (t) => {
  await refused(t, randomBytes(LIMITS.packedBytes + 1), /larger than/);
});

test("archive: a gzip bomb stops at 64 MiB, also when its headers lie (AR4)", async (t) => {
  const bomb = gzipSync(Buffer.alloc(256 << 20), { level: 9 });
  const before = process.memoryUsage().arrayBuffers;
  await refused(t, bomb, /unpacks to more than/);
  t.true(process.memoryUsage().arrayBuffers - before < 160 << 20);
  await refused(t, tar([code, { path: "big", size: 2 ** 40 }]), /goes beyond/, "big");
  await refused(t, tar([code, { path: "big", data: Buffer.alloc(LIMITS.unpackedBytes) }]), /goes beyond/, "big");
  await refused(t, gzipSync(tar([code])), /compressed twice/);
});

test("archive: a negative size neither hangs nor brings bytes (AR4)", async (t) => {
  for (const size of [-1, -512, -1024]) {
    const header = new Header({ path: "n", mode: 0o644, type: "File", size: 0, mtime: new Date(0) });
    header.encode();
    const block = header.block!;
    block.fill(0xff, 124, 136); // a size field in base 256
    block.writeInt32BE(size, 132);
    block.fill(0x20, 148, 156);
    const sum = block.reduce((a, b) => a + b, 0);
    block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    const { files } = await read(tar([code, { path: "before", data: Buffer.alloc(4096) }, block]));
    t.is(files.get("n")?.byteLength, 0);
  }
});

test("archive: what is no gzip, no tar or cut short is refused (AR7)", async (t) => {
  await refused(t, Buffer.from("not a gzip"), /not gzip/);
  await refused(t, new Uint8Array(0), /not gzip/);
  await refused(t, gzipSync(Buffer.from("not a tar".repeat(200))), /not a tar/);
  await refused(t, gzipSync(Buffer.alloc(10_240)), /Unrecognized archive format/);
  await refused(t, tar([{ path: "other.mjs" }]), /no workspace\.mjs/);
  const whole = tar([code]);
  await refused(t, whole.subarray(0, whole.length - 9), /not gzip/);
  await refused(t, tar([{ ...code, size: 5000 }]), /not a tar|Truncated/);
});

test("archive: random damage ends in FL_ARCHIVE_INVALID or in safe names (AR7)", async (t) => {
  const archive = packArchive(new Map([["workspace.mjs", Buffer.from("export default 1".repeat(50))]]));
  const inner = gunzipSync(tar([new Pax({ path: "a/b" }).encode(), code, code, { path: "d/", type: "Directory" }]));
  const survives = async (bytes: Uint8Array): Promise<boolean> => {
    try {
      return [...(await read(bytes)).files.keys()].every((path) => pathProblem(path) === undefined);
    } catch (e) {
      return e instanceof FlError && e.code === "FL_ARCHIVE_INVALID";
    }
  };
  const damaged = (bytes: Uint8Array, at: number, flip: number) => {
    const copy = Uint8Array.from(bytes);
    copy[at % bytes.length]! ^= flip;
    return copy;
  };
  const bite = [fc.nat(1 << 20), fc.integer({ min: 1, max: 255 })] as const;
  await fc.assert(fc.asyncProperty(...bite, (at, flip) => survives(damaged(archive, at, flip))));
  await fc.assert(fc.asyncProperty(...bite, (at, flip) => survives(gzipSync(damaged(inner, at, flip)))));
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 2048 }), (bytes) => survives(gzipSync(bytes))));
  t.pass();
});

test("archive: a path that is allowed never leaves its folder (AR3)", (t) => {
  const segment = fc.constantFrom(".", "..", "", "a", "a.b", ".x", "-", "~", "\\", "\0", "x:");
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 5 }), (segments) => {
      const path = segments.join("/");
      return pathProblem(path) !== undefined || new URL(`file:///base/${path}`).pathname === `/base/${path}`;
    }),
  );
  t.pass();
});
