import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { asFlError, type Code, codes, FlError, fromWire } from "../src/errors.ts";
import { decode, encode } from "../src/wire/codec.ts";
import { wireError } from "../src/wire/messages.ts";

const page = fileURLToPath(new URL("../../docs/errors.md", import.meta.url));
const MARKED = /(<!-- codes:.*-->\n)[\s\S]*?(<!-- end of codes -->)/;
const all = Object.entries(codes);

const table = (): string =>
  [
    "| code | retryable | means | what to do |",
    "|---|---|---|---|",
    ...all.map(
      ([code, { retryable, text, hint }]) => `| \`${code}\` | ${retryable ? "yes" : ""} | ${text} | ${hint} |`,
    ),
  ].join("\n");

test("docs/errors.md lists exactly the codes that there are (E3)", (t) => {
  const text = readFileSync(page, "utf8");
  const expected = text.replace(MARKED, (_, start: string, end: string) => `${start}${table()}\n${end}`);
  if (process.env.UPDATE_DOCS === "1") writeFileSync(page, expected);
  else t.is(text, expected, "run UPDATE_DOCS=1 npx ava dist/test/errors.test.js");
  t.regex(text, MARKED);
});

test("a code is FL_ and upper case; its sentence and hint are lower-case phrases that fit a table", (t) => {
  for (const [code, { text, hint }] of all) {
    t.regex(code, /^FL_[A-Z]+(_[A-Z]+)*$/);
    t.regex(text, /^(?:[a-z]|NATS|Director).*[^.]$/, code);
    t.notRegex(text + hint, /[|\n]/, code);
  }
});

test("an error says its code's sentence and its reason, and keeps its cause", (t) => {
  const cause = new TypeError("deep");
  const error = new FlError("FL_NO_QUORUM", { reason: "2 of 5", missing: ["a"] }, { cause });
  t.is(error.message, "the deadline passed with fewer updates than the quorum: 2 of 5");
  t.is(error.name, "FlError");
  t.is(error.cause, cause);
  t.false(error.retryable);
  t.true(new FlError("FL_TIMEOUT").retryable);
  t.is(error.hint, codes.FL_NO_QUORUM.hint);
});

test("an error crosses the wire with its code, sentence, detail and the stack of its first cause (E2)", (t) => {
  for (const contentType of ["msgpack", "json"] as const) {
    const cause = new TypeError("deep");
    const error = new FlError("FL_TASK_FAILED", { reason: "deep", n: 1 }, { cause });
    const back = fromWire(decode(wireError, encode(error.toJSON(), contentType), contentType, "error") as never);
    t.is(back.code, "FL_TASK_FAILED");
    t.is(back.message, error.message);
    t.deepEqual(back.detail, { reason: "deep", n: 1 });
    t.is(back.stack, cause.stack);
    t.deepEqual(fromWire(back.toJSON()).toJSON(), back.toJSON(), "and once more, unchanged");
  }
});

test("a stack crosses the wire for a bug and for what users' code threw; a refusal names no file (E4)", (t) => {
  const cause = new TypeError("deep");
  t.is(new FlError("FL_INTERNAL").toJSON().stack?.includes("errors.test"), true);
  t.is(new FlError("FL_INTERNAL", {}, { cause }).toJSON().stack, cause.stack);
  t.is(new FlError("FL_SHARD_FAILED", {}, { cause }).toJSON().stack, cause.stack);
  for (const error of [
    new FlError("FL_NOT_FOUND", { reason: "there is no experiment x" }),
    new FlError("FL_FENCED", {}, { cause }),
    new FlError("FL_WORKSPACE_INVALID", { reason: "model is missing" }),
  ]) {
    t.false("stack" in error.toJSON(), error.code);
    const back = fromWire(error.toJSON());
    t.false("stack" in back.toJSON(), "nor after a journey");
    t.is(back.stack, `FlError: ${error.message}`, "the place where it was read would mislead");
  }
});

test("a code that this release does not know is FL_INTERNAL, with the sentence it came with", (t) => {
  const error = fromWire({ code: "FL_FROM_THE_FUTURE" as Code, message: "news", detail: {} });
  t.is(error.code, "FL_INTERNAL");
  t.is(error.message, "news");
  for (const code of ["FL_FROM_THE_FUTURE", "toString"]) {
    const bytes = encode({ code, message: "news", detail: {} });
    t.is(decode(wireError, bytes, "msgpack", "error").code, "FL_INTERNAL", "and the message that carries it is read");
  }
});

test("anything that is thrown becomes one FlError, and an FlError stays itself", (t) => {
  const own = new FlError("FL_STATE");
  t.is(asFlError(own, "FL_TASK_FAILED"), own);
  const wrapped = asFlError(new TypeError("oops"), "FL_TASK_FAILED");
  t.like(wrapped, { code: "FL_TASK_FAILED", detail: { reason: "oops" } });
  for (const odd of [undefined, null, "text", 7, {}]) t.is(asFlError(odd).code, "FL_INTERNAL");
});
