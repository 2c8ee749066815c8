import test from "ava";
import { FlError } from "../../src/errors.ts";
import { find, itemsOf, plain, readSource } from "../../src/openfl/source.ts";

const refusal = (text: string): { reason: string; hint: string } => {
  try {
    readSource(text, "plan.yaml");
  } catch (e) {
    if (e instanceof FlError && e.code === "FL_IMPORT_INVALID") return e.detail as { reason: string; hint: string };
    throw e;
  }
  throw new Error("nothing was wrong");
};

test("source: what is malformed is told with its place and what to do (S1)", (t) => {
  const { reason, hint } = refusal("aggregator:\n  settings: [1\n");
  t.regex(reason, /^plan\.yaml:\d+:\d+ /);
  t.regex(hint, /mend the YAML/);
  t.regex(refusal("a: *nowhere\n").reason, /^plan\.yaml:1:4 is an alias of nothing/);
});

test("source: YAML 1.1 as PyYAML reads it (S2)", (t) => {
  const text = "a: yes\nb: off\nc: y\nd: 010\ne: .inf\nf: 2024-10-24\ng: ~\nh: 1.0\n12: n\n";
  t.deepEqual(plain(readSource(text, "plan.yaml")), {
    a: true,
    b: false,
    c: "y",
    d: 8,
    e: ".inf",
    f: "2024-10-24",
    g: null,
    h: 1,
    12: "n",
  });
});

test("source: a duplicate key, a second document and an unknown tag are errors (S3)", (t) => {
  t.regex(refusal("a: 1\na: 2\n").reason, /^plan\.yaml:2:1 .*unique/);
  t.regex(refusal("a: 1\n---\nb: 2\n").reason, /^plan\.yaml:2:1 .*multiple documents/);
  t.regex(refusal("a: !!python/object:os.system {}\n").reason, /^plan\.yaml:1:4 .*tag/);
});

test("source: a small file cannot grow (S4)", (t) => {
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
  for (const [from, to] of ["ab", "bc", "cd", "de", "ef"])
    bomb.push(`${to}: &${to} [${Array(10).fill(`*${from}`).join(",")}]`);
  t.regex(refusal(bomb.join("\n")).reason, /^plan\.yaml:1:\d+ holds too much/);
  t.regex(refusal("a: &a [*a]\n").reason, /holds too much/);
  t.regex(refusal(`a: &a\n  <<: *a\n`).reason, /holds too much/);
  t.regex(refusal(`${"[".repeat(60)}${"]".repeat(60)}`).reason, /holds too much/);
  t.regex(refusal(" ".repeat((1 << 20) + 1)).reason, /larger than 1 MiB/);
});

test("source: a value stands where its key does, also behind an alias or a merge (S5)", (t) => {
  const text = "base: &base\n  one: 1\n  two: 2\nall:\n  <<: *base\n  two: 3\nlist:\n  - x\n  - *base\n";
  const source = readSource(text, "plan.yaml");
  t.deepEqual(plain(find(source, "all")!), { two: 3, one: 1 });
  t.deepEqual(
    [find(source, "all", "one"), find(source, "all", "two"), itemsOf(find(source, "list")!)[1]].map((n) => n?.line),
    [2, 6, 9],
  );
});
