import test from "ava";
import { FlError } from "../../src/errors.ts";
import { parsePlacement, showPlacement } from "../../src/parts/placement.ts";

test("placement: a word is a built-in, a path is a module, nats: is an actor", (t) => {
  t.deepEqual(parsePlacement("fedavg"), { kind: "builtin", name: "fedavg" });
  t.deepEqual(parsePlacement("./x.ts"), { kind: "module", path: "./x.ts" });
  t.deepEqual(parsePlacement("../x.ts"), { kind: "module", path: "../x.ts" });
  t.deepEqual(parsePlacement("/x.ts"), { kind: "module", path: "/x.ts" });
  t.deepEqual(parsePlacement("nats:median"), { kind: "nats", name: "median" });
});

test("placement: what is parsed shows as it was written", (t) => {
  for (const text of ["fedavg", "./x.ts", "nats:median"]) t.is(showPlacement(parsePlacement(text)), text);
});

test("placement: names are subject tokens, and nothing else is guessed at (P1)", (t) => {
  for (const text of [
    "",
    "a.b",
    "nats:",
    "nats:a.b",
    "nats:>",
    "a/b",
    "x y",
    "npm:x",
    ".",
    "..",
    "./a\0b",
    "a".repeat(65),
  ]) {
    const error = t.throws<FlError>(() => parsePlacement(text), { instanceOf: FlError }, JSON.stringify(text));
    t.is(error?.code, "FL_PART_UNKNOWN");
  }
});
