import test from "ava";
import { z } from "zod";
import { FlError } from "../src/errors.ts";
import { parseStrict } from "../src/validate.ts";

const schema = z.strictObject({
  epochs: z.int().min(1),
  mode: z.enum(["max", "min"]).default("max"),
  who: z.union([z.literal("all"), z.array(z.strictObject({ name: z.string() })).min(1)]).optional(),
  inner: z.strictObject({ batchSize: z.int() }).optional(),
});

const reason = (value: unknown): string => {
  try {
    parseStrict(schema, value, { code: "FL_PLAN_INVALID", what: "arguments" });
  } catch (e) {
    if (e instanceof FlError && e.code === "FL_PLAN_INVALID") return String(e.detail.reason);
    throw e;
  }
  throw new Error("nothing was wrong");
};

test("validate: a valid value comes back with its defaults", (t) => {
  const parsed = parseStrict(schema, { epochs: 1 }, { code: "FL_PLAN_INVALID", what: "arguments" });
  t.deepEqual(parsed, { epochs: 1, mode: "max" });
});

test("validate: every problem is named in one error (V1)", (t) => {
  const said = reason({ epochs: 0, mode: "mx", inner: { batch_size: 3, batchSize: "x" } });
  t.regex(said, /^arguments: /);
  t.regex(said, /epochs must be at least 1, got 0/);
  t.regex(said, /mode must be one of max, min, got "mx" \(did you mean max\?\)/);
  t.regex(said, /inner.batchSize must be a number, got "x"/);
  t.regex(said, /inner.batch_size is not a key; did you mean batchSize\?/);
});

test("validate: an unknown key that is near to none comes with all keys of its object (V2)", (t) => {
  t.regex(reason({ epochs: 1, zzzzzz: 1 }), /zzzzzz is not a key; the keys here are: epochs, mode, who, inner/);
  t.regex(reason({ epochs: 1, who: [{ nam: "a", name: "a" }] }), /who\[0\]\.nam is not a key; did you mean name\?/);
});

test("validate: a missing value says what it must be (V3)", (t) => {
  t.regex(reason({}), /epochs is missing: it must be a (whole )?number/);
  t.regex(reason({ epochs: 1, who: [{}] }), /who\[0\]\.name is missing: it must be text/);
});

test("validate: of several forms, the one that takes the value's kind is the one complained about (V3)", (t) => {
  t.regex(reason({ epochs: 1, who: 3 }), /who must be all or a list, got 3/);
  t.regex(reason({ epochs: 1, who: [] }), /who must (be all or )?(must )?have at least 1 entries, got a list/);
});

test("validate: a value that is no object at all is told so", (t) => {
  t.is(reason([]), "arguments: it must be a map of keys, got a list");
});

test("validate: problems of a source text carry their place", (t) => {
  const error = t.throws<FlError>(
    () => parseStrict(schema, { epochs: 0 }, { code: "FL_USAGE", what: "f", where: (p) => `7:${p.length}` }),
    { instanceOf: FlError },
  );
  t.is(error?.code, "FL_USAGE");
  t.deepEqual(error?.detail.problems, ["7:1 epochs must be at least 1, got 0"]);
});
