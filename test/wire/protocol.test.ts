import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { CHUNK_BYTES, decodeFrame, encodeFrame } from "../../src/tensor/frame.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { decode } from "../../src/wire/codec.ts";
import {
  codecTable,
  fields,
  messageSchemas,
  messageTables,
  storeTable,
  subjectTable,
} from "../../src/wire/document.ts";
import { glossary } from "../../src/wire/glossary.ts";
import { buckets, shelves, streams, subjects } from "../../src/wire/table.ts";

const page = fileURLToPath(new URL("../../../docs/protocol.md", import.meta.url));
const text = (): string => readFileSync(page, "utf8");
const parts = { subjects: subjectTable, stores: storeTable, codecs: codecTable, messages: messageTables };

test("docs/protocol.md lists exactly the names, payloads and fields that there are (PD1)", (t) => {
  const before = text();
  let expected = before;
  for (const [name, make] of Object.entries(parts)) {
    const marked = new RegExp(`(<!-- ${name}:.*-->\\n)[\\s\\S]*?(<!-- end of ${name} -->)`);
    t.regex(before, marked);
    expected = expected.replace(marked, (_, start: string, end: string) => `${start}${make()}\n${end}`);
  }
  if (process.env.UPDATE_DOCS === "1") writeFileSync(page, expected);
  else t.is(before, expected, "run UPDATE_DOCS=1 npx ava dist/test/wire/protocol.test.js");
});

test("the glossary has every field of the wire and nothing else, each in a sentence (G1, G2)", (t) => {
  const used = new Set<string>();
  for (const { path, keys } of fields()) {
    const key = keys.find((k) => k in glossary);
    t.truthy(key, path);
    used.add(key!);
  }
  t.deepEqual(
    Object.keys(glossary).filter((key) => !used.has(key)),
    [],
  );
  for (const [key, doc] of Object.entries(glossary)) {
    t.regex(doc, /^\S.*\.$/, key);
    t.false(doc.includes("|"), key);
  }
});

test("every field on the wire is snake_case (M1)", (t) => {
  for (const { path } of fields()) t.regex(path.split(".").at(-1)!, /^[a-z][a-z0-9_]*$/, path);
});

test("every example is a message of its form", (t) => {
  const schemas = new Map(messageSchemas().map(({ name, schema }) => [name, schema]));
  const examples = [...text().matchAll(/<!-- example: (\w+) -->\n```json\n([\s\S]*?)```/g)];
  t.true(examples.length >= 5);
  for (const [, name, json] of examples) {
    const schema = schemas.get(name!);
    t.truthy(schema, name);
    t.notThrows(() => decode(schema as never, Buffer.from(json!), "json", name!));
  }
});

test("every name that the page uses is a name of the table", (t) => {
  const shell = [...text().matchAll(/```(?:sh|python)\n([\s\S]*?)```/g)].map((m) => m[1]!).join("\n");
  const asPattern = (template: string): RegExp =>
    new RegExp(`^${template.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "(?:[A-Za-z0-9_-]+|\\*|\\{\\w+\\})")}$`);
  const known = [
    ...Object.values(subjects).map((s) => s.pattern),
    ...Object.values(streams).map((s) => s.name),
    ...[...Object.values(buckets), ...Object.values(shelves)].map((s) => s.name),
  ].map((template) => asPattern(template));
  const names = [...shell.matchAll(/\b(?:fl\.v1\.|FL-|fl-)[\w.*{}-]+/g)].map((m) => m[0]);
  t.true(names.length >= 10);
  for (const name of names)
    t.true(
      known.some((pattern) => pattern.test(name)),
      name,
    );
});

test("every link within the page leads somewhere", (t) => {
  const anchors = new Set(
    [...text().matchAll(/^#+ (.+)$/gm)].map((m) =>
      m[1]!
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
  for (const [, anchor] of text().matchAll(/\]\(#([^)]+)\)/g)) t.true(anchors.has(anchor!), anchor);
});

test("a frame and a layout are what the page says they are", (t) => {
  t.is(CHUNK_BYTES, 524288);
  const frame = encodeFrame(new Uint8Array([1, 2, 3]), 0);
  const { index, count, offset, data } = decodeFrame(frame);
  t.deepEqual([index, count, offset, [...data]], [0, 1, 0, [1, 2, 3]]);
  const head = [...text().matchAll(/^\| (\d) \| `(\w+)` \|/gm)].map((m) => m[2]);
  t.deepEqual(head, ["v", "index", "count", "offset", "crc32", "data"]);
  t.is(
    layoutOf([{ name: "w", dtype: "f32", shape: [2, 3] }]).digest,
    "0e6e711cb0e7862a1b438268d8647ea6a85d494603777817ab0a86e6d2c200e0",
  );
});
