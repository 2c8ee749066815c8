import test from "ava";
import { Peers, SILENT_MS } from "../../actors/aggregator/peers.ts";
import { FlError } from "../../src/errors.ts";
import type { Alive } from "../../src/wire/messages.ts";

const alive: Alive = { round: 1, doing: "train", done: 3, total: 9 };
const stateOf = (peers: Peers, name: string): string => peers.list().find((p) => p.name === name)!.state;

test("everyone is absent until it is heard, and listed in the order of names", (t) => {
  const peers = new Peers(["b", "a"]);
  t.deepEqual(
    peers.list().map((p) => [p.name, p.state, p.seen_at]),
    [
      ["a", "absent", null],
      ["b", "absent", null],
    ],
  );
  peers.alive("a", alive, 7);
  t.like(peers.list()[0], { state: "working", doing: "train", done: 3, total: 9, seen_at: 7 });
});

test("who was never heard is not lost; who was heard is, once, after SILENT_MS (E1)", (t) => {
  const peers = new Peers(["a", "b"]);
  t.deepEqual(peers.lost(1e9), []);
  peers.alive("a", alive, 1000);
  t.deepEqual(peers.lost(1000 + SILENT_MS - 1), []);
  t.deepEqual(peers.lost(1000 + SILENT_MS), ["a"]);
  t.is(stateOf(peers, "a"), "silent");
  t.deepEqual(peers.lost(1000 + 9 * SILENT_MS), [], "said once");
});

test("a sign of life, or an offer, brings it back, and says so once (E1)", (t) => {
  for (const back of [(p: Peers) => p.alive("a", alive, 9e5), (p: Peers) => p.set("a", "offering", 9e5)]) {
    const peers = new Peers(["a"]);
    t.false(peers.alive("a", alive, 0), "the first sign is no return");
    peers.lost(5e5);
    t.true(back(peers));
    t.false(peers.alive("a", alive, 9e5));
    t.deepEqual(peers.lost(9e5 + SILENT_MS - 1), []);
  }
});

test("a sign of life does not undo what the round knows of it", (t) => {
  const peers = new Peers(["a"]);
  for (const state of ["offering", "accepted", "failed"] as const) {
    peers.set("a", state, 1);
    peers.alive("a", alive, 2);
    t.is(stateOf(peers, "a"), state);
  }
});

test("a new round begins with everyone at work but the silent and the absent, and no bytes", (t) => {
  const peers = new Peers(["a", "b", "c"]);
  peers.set("a", "accepted", 1000);
  peers.bytes("a", 77);
  peers.alive("b", alive, 1);
  peers.lost(1 + SILENT_MS);
  t.is(peers.list()[0]!.bytes, 77);
  peers.round(2, new Set(["a", "b", "c"]));
  t.deepEqual(
    peers.list().map((p) => [p.state, p.bytes]),
    [
      ["working", 0],
      ["silent", 0],
      ["absent", 0],
    ],
  );
});

test("who lives and is not asked rests, whatever it still says; in the next round it works again", (t) => {
  const peers = new Peers(["a", "b"]);
  for (const name of ["a", "b"]) peers.alive(name, alive, 1);
  peers.round(2, new Set(["a"]));
  peers.alive("b", alive, 2);
  t.deepEqual([stateOf(peers, "a"), stateOf(peers, "b")], ["working", "resting"]);
  peers.lost(2 + SILENT_MS);
  t.true(peers.alive("b", alive, 9e5));
  t.is(stateOf(peers, "b"), "resting", "back at rest");
  peers.round(3, new Set(["b"]));
  t.is(stateOf(peers, "b"), "working");
});

test("who joins is absent until it is heard, and known once", (t) => {
  const peers = new Peers(["a"]);
  peers.join("b");
  t.false(peers.isHeard("b"));
  peers.alive("b", { ...alive, samples: 60 }, 1);
  peers.join("b");
  t.true(peers.isHeard("b"));
  t.is(peers.samples("b"), 60);
  t.is(peers.samples("a"), null);
  t.deepEqual(
    peers.list().map((p) => p.name),
    ["a", "b"],
  );
});

test("strangers are nobody", (t) => {
  const peers = new Peers(["a"]);
  t.false(peers.alive("x", alive, 1));
  t.false(peers.set("x", "failed", 1));
  peers.bytes("x", 1);
  t.deepEqual(
    peers.list().map((p) => p.name),
    ["a"],
  );
});

test("a listing is a copy", (t) => {
  const peers = new Peers(["a"]);
  const before = peers.list();
  peers.alive("a", alive, 1);
  t.is(before[0]!.state, "absent");
});

test("what is told of an earlier round is a sign of life, not progress in this one (E2)", (t) => {
  const peers = new Peers(["a"]);
  peers.alive("a", alive, 1);
  peers.round(2, new Set(["a", "b", "c"]));
  t.like(peers.list()[0], { doing: "", done: 0, total: 0 });
  peers.alive("a", alive, 2);
  t.like(peers.list()[0], { doing: "", done: 0, total: 0, seen_at: 2 });
  peers.alive("a", { ...alive, round: 2 }, 3);
  t.like(peers.list()[0], { doing: "train", done: 3, total: 9 });
});

test("who its envoy has given up is failed in every round, not silent, until it lives again (E3)", (t) => {
  const error = new FlError("FL_SHARD_FAILED").toJSON();
  const peers = new Peers(["a", "b"]);
  peers.alive("a", alive, 1);
  for (const name of ["a", "b", "x"]) peers.giveUp(name, error);
  t.deepEqual(
    [...peers.givenUp],
    [
      ["a", error],
      ["b", error],
    ],
  );
  t.deepEqual(peers.lost(1 + 9 * SILENT_MS), []);
  peers.round(2, new Set(["a", "b", "c"]));
  t.deepEqual(
    peers.list().map((p) => [p.state, p.seen_at]),
    [
      ["failed", 1],
      ["failed", null],
    ],
  );
  t.true(peers.alive("a", alive, 2), "a return");
  t.true(peers.set("b", "offering", 2));
  t.deepEqual(
    peers.list().map((p) => p.state),
    ["working", "offering"],
  );
  t.is(peers.givenUp.size, 0);
});
