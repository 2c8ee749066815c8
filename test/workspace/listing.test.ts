/** What a reviewer sees of an archive: LI1 and LI2 of src/workspace/listing.ts. */
import test from "ava";
import { sha256 } from "../../src/workspace/archive.ts";
import { listing } from "../../src/workspace/listing.ts";

const listed = (text: string | Uint8Array) => listing(new Map([["a", Buffer.from(text as string)]]))[0]!;

test("each file with its size, its SHA-256 and its source, in the order of paths (LI1)", (t) => {
  const files = new Map([
    ["workspace.mjs", Buffer.from("export default 1;\n")],
    ["lib/a.bin", Buffer.from([0, 1, 255])],
  ]);
  t.deepEqual(listing(files), [
    { path: "lib/a.bin", bytes: 3, digest: sha256(files.get("lib/a.bin")!), text: null },
    { path: "workspace.mjs", bytes: 18, digest: sha256(files.get("workspace.mjs")!), text: "export default 1;\n" },
  ]);
});

test("what could make a terminal say something else is no text (LI2)", (t) => {
  for (const text of ["", "a\tb\r\nc", "äöü 日本 👩‍🔬", "\ufeffx"]) t.is(listed(text).text, text, JSON.stringify(text));
  const hiding = ["\u001b[2K", "a\rb", "\u0008", "\u202e", "\u2066", "\u009b", "\u{e0041}", "\u2028", "\0"];
  for (const text of hiding) t.is(listed(`x${text}y`).text, null, JSON.stringify(text));
  t.is(listed(Buffer.from([0xc3, 0x28])).text, null);
});
