import test from "ava";
import fc from "fast-check";
import { buckets, streams, subjects } from "../../src/wire/table.ts";
import { fill, match, TOKEN, token, wildcard } from "../../src/wire/template.ts";

const tokens = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const patterns = Object.values(subjects).map((s): string => s.pattern);
const keysOf = (pattern: string): string[] => [...pattern.matchAll(/\{(\w+)\}/g)].map((m) => m[1]!);

test("match undoes fill, for every subject of the table and any tokens (W1)", (t) => {
  for (const pattern of patterns) {
    const keys = keysOf(pattern);
    fc.assert(
      fc.property(fc.tuple(...keys.map(() => tokens)), (values) => {
        const params = Object.fromEntries(keys.map((k, i) => [k, values[i]!]));
        t.deepEqual(match(pattern, fill(pattern, params as never)) as unknown, params);
      }),
      { numRuns: 20 },
    );
  }
});

test("fill undoes match: a subject belongs to a template in one way only", (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...patterns), fc.array(tokens, { minLength: 16, maxLength: 16 }), (pattern, values) => {
      const subject = pattern
        .split(".")
        .map((part, i) => (part.startsWith("{") ? values[i]! : part))
        .join(".");
      const params = match(pattern, subject);
      t.truthy(params);
      t.is(fill(pattern, params as never), subject);
    }),
  );
});

test("no two subjects of the table can be mistaken for each other", (t) => {
  for (const [i, a] of patterns.entries()) {
    const subject = fill(a, Object.fromEntries(keysOf(a).map((k, n) => [k, `x${n}`])) as never);
    for (const [j, b] of patterns.entries()) t.is(match(b, subject) !== undefined, i === j, `${subject} on ${b}`);
  }
});

test("no subject of the table can be read as another, whatever the names in it are (N4)", (t) => {
  const overlap = (a: string, b: string): boolean => {
    const [left, right] = [a.split("."), b.split(".")];
    const fits = (x: string, y: string): boolean => x === y || x.startsWith("{") || y.startsWith("{");
    return left.length === right.length && left.every((part, i) => fits(part, right[i]!));
  };
  t.true(overlap("exp.{exp}.col.{c}.offer", "exp.{owner}.{exp}.metric.{origin}")); // an experiment called col, say
  for (const [i, a] of patterns.entries())
    for (const b of patterns.slice(i + 1)) t.false(overlap(a, b), `${a} and ${b}`);
});

test("what is not one token is refused by name, and never reaches a subject (W2)", (t) => {
  const bad = ["", ".", "a.b", "*", ">", "a b", "ü", "a\n", "a/b", "$SYS", "x".repeat(65), "{fed}"];
  for (const name of bad) {
    t.throws(() => token(name, "name"), { code: "FL_SUBJECT_TOKEN" }, JSON.stringify(name));
    t.throws(() => fill("fl.{fed}.x", { fed: name }), { code: "FL_SUBJECT_TOKEN" });
    t.throws(() => wildcard("fl.{fed}.{x}", { fed: name }), { code: "FL_SUBJECT_TOKEN" });
  }
  const error = t.throws(() => fill("fl.{fed}.x.{exp}", { fed: "f", exp: "a.b" })) as Error & { detail: unknown };
  t.deepEqual(error.detail, { what: "exp", name: "a.b", reason: 'exp is "a.b"' });
  t.regex(error.message, /: exp is "a\.b"$/, "the message says which parameter it was");
  t.throws(() => fill("fl.{fed}.x.{exp}", { fed: "f", exp: "" }), { message: /: exp is ""$/ });
  t.throws(() => fill("fl.{fed}", {} as never), { code: "FL_SUBJECT_TOKEN" });
});

test("whatever fill returns has as many tokens as its template", (t) => {
  fc.assert(
    fc.property(fc.string({ maxLength: 70, unit: "binary" }), (name) => {
      try {
        t.is(fill("fl.{a}.x.{b}", { a: name, b: 1 }).split(".").length, 4);
        t.regex(name, TOKEN);
      } catch (e) {
        t.is((e as { code?: string }).code, "FL_SUBJECT_TOKEN");
        t.notRegex(name, TOKEN);
      }
    }),
  );
});

test("a subject of another form does not match", (t) => {
  t.is(match("fl.{fed}.x", "fl.f"), undefined);
  t.is(match("fl.{fed}.x", "fl.f.x.y"), undefined);
  t.is(match("fl.{fed}.x", "fl.f.y"), undefined);
  t.is(match("fl.{fed}.x", "fl..x"), undefined);
  t.is(match("fl.{fed}.x", "fl.a$b.x"), undefined);
});

test("wildcard keeps the parameters it is given and opens the others", (t) => {
  t.is(wildcard("fl.{fed}.exp.{exp}.col.{c}.offer", { fed: "f", c: 7 }), "fl.f.exp.*.col.7.offer");
  t.is(wildcard("fl.{fed}"), "fl.*");
});

test("streams and buckets have names that NATS takes, whatever the federation is called", (t) => {
  fc.assert(
    fc.property(tokens, tokens, (fed, exp) => {
      for (const { name } of Object.values(streams))
        t.notRegex(fill(name as string, { fed, exp } as never), /[.*>\s/]/);
      for (const { name } of Object.values(buckets)) t.regex(fill(name, { fed }), /^[A-Za-z0-9_-]+$/);
    }),
  );
});
