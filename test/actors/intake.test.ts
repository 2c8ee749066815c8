import test from "ava";
import { intake } from "../../actors/aggregator/intake.ts";
import type { AggregatorEvent } from "../../actors/aggregator/machine.ts";
import { Peers, SILENT_MS } from "../../actors/aggregator/peers.ts";
import type { Workbench } from "../../actors/aggregator/workbench.ts";
import { FlError } from "../../src/errors.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import {
  type Offer,
  type Progress,
  type RoundRecord,
  progress as schema,
  type Verdict,
} from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { manualClock } from "../support/clock.ts";
import { FED, testWorld } from "../support/ports.ts";

const REQUEST = { timeoutMs: 1_000 };
const offer: Offer = { round: 2, epoch: 1, weight: 1, metrics: [], bytes: 0, layout: "a".repeat(64) };

/** An ear whose bench says what the test wants, on a clock that stands still. */
function scene(verdict: Verdict = { verdict: "accepted" }, round: number | null = 2) {
  const world = testWorld();
  const clock = manualClock();
  const ports = { ...world.ports("aggregator"), clock };
  const sent: AggregatorEvent[] = [];
  const offered: string[] = [];
  const peers = new Peers(["a", "b"]);
  const bench = {
    waitingFor: null as string | null,
    offer: async (collaborator: string) => {
      offered.push(collaborator);
      return verdict;
    },
  };
  let open = round;
  const record = () => ({ round: open, epoch: 1, state: "open", quorum: 2, deadline_at: null }) as RoundRecord;
  const end = intake({
    ...{ wire: new Wire(ports, FED), exp: "e", owner: "ann", bench: bench as unknown as Workbench, peers },
    input: { experiment: "e", rounds: 3, collaborators: ["a", "b"], rates: true },
    sendBack: (event) => sent.push(event),
    open: () => (open === null ? undefined : record()),
  });
  const wire = world.wire("a");
  const place = { exp: "e", collaborator: "a" };
  const told: Progress[] = [];
  world.wire("reader").on(subjects.progress, { owner: "ann", exp: "e" }, (_, p) => told.push(p));
  const stateOf = (name: string): string => peers.list().find((p) => p.name === name)!.state;
  const enter = (next: number): void => {
    open = next;
    peers.round(next, new Set(["a", "b"]));
  };
  return { world, clock, ports, sent, offered, wire, place, peers, told, stateOf, enter, bench, end };
}

test("an accepted offer is answered, told to the machine and shown", async (t) => {
  const s = scene();
  t.deepEqual(await s.wire.request(subjects.offer, s.place, offer, REQUEST), { verdict: "accepted" });
  t.deepEqual(s.offered, ["a"]);
  t.deepEqual(s.sent, [{ type: "update.accepted", collaborator: "a" }]);
  t.is(s.stateOf("a"), "accepted");
  t.deepEqual(s.ports.counters.all(), {});
});

test("what was not accepted is counted by its verdict, and only a refusal reaches the machine (I1)", async (t) => {
  for (const verdict of ["late", "again"] as const) {
    const s = scene({ verdict });
    t.deepEqual(await s.wire.request(subjects.offer, s.place, offer, REQUEST), { verdict });
    t.deepEqual(s.sent, []);
    t.deepEqual(s.ports.counters.all(), { [`update.${verdict}`]: 1 });
  }
  const duplicate = scene({ verdict: "duplicate" });
  await duplicate.wire.request(subjects.offer, duplicate.place, offer, REQUEST);
  t.deepEqual(duplicate.sent, []);
  t.is(duplicate.stateOf("a"), "accepted");
});

test("a refused update is told with its cause; its collaborator is out of the round it offered for", async (t) => {
  const error = new FlError("FL_UPDATE_RANGE").toJSON();
  const s = scene({ verdict: "refused", error });
  await s.wire.request(subjects.offer, s.place, offer, REQUEST);
  t.deepEqual(s.sent, [
    { type: "update.refused", collaborator: "a", error },
    { type: "collaborator.failed", collaborator: "a", round: 2, error },
  ]);
  const other = scene({ verdict: "refused", error }, 3);
  await other.wire.request(subjects.offer, other.place, offer, REQUEST);
  t.deepEqual(other.sent, [{ type: "update.refused", collaborator: "a", error }]);
});

test("an offer that does not decode is a refused one: the round does not wait for a better (I2)", async (t) => {
  const s = scene();
  const metrics = [{ task: "train", values: { loss: Number.NaN } }];
  const { verdict, error } = await s.wire.request(subjects.offer, s.place, { ...offer, metrics }, REQUEST);
  t.is(verdict, "refused");
  t.is(error?.code, "FL_MESSAGE_MALFORMED");
  t.deepEqual(s.offered, []);
  t.like(s.sent, [
    { type: "update.refused", collaborator: "a" },
    { type: "collaborator.failed", collaborator: "a", round: 2, error: { code: "FL_MESSAGE_MALFORMED" } },
  ]);
  t.is(s.stateOf("a"), "failed");
});

test("a failure is acknowledged and told, from the collaborator or from its envoy", async (t) => {
  const s = scene();
  const error = new FlError("FL_TASK_FAILED").toJSON();
  t.deepEqual(await s.wire.request(subjects.taskFailed, s.place, { round: 1, epoch: 1, error }, REQUEST), { ok: true });
  t.deepEqual(await s.wire.request(subjects.envoyFailed, { envoy: "b", exp: "e" }, { error }, REQUEST), { ok: true });
  t.deepEqual(s.sent, [
    { type: "collaborator.failed", collaborator: "a", round: 1, error },
    { type: "collaborator.failed", collaborator: "b", round: 2, error },
  ]);
});

test("a site that its envoy gives up before a round is open is out of the first one, be it round 0 (I3)", async (t) => {
  const s = scene(undefined, null);
  const error = new FlError("FL_SHARD_FAILED").toJSON();
  t.deepEqual(await s.wire.request(subjects.envoyFailed, { envoy: "b", exp: "e" }, { error }, REQUEST), { ok: true });
  s.clock.advance(1_000);
  t.deepEqual(s.sent, []);
  s.enter(0);
  s.clock.advance(1_000);
  t.deepEqual(s.sent, [{ type: "collaborator.failed", collaborator: "b", round: 0, error }]);
});

test("a site that its envoy has given up is out of every round until it lives again, however often that is said (I3)", async (t) => {
  const s = scene();
  const alive = { round: 2, doing: "train", done: 1, total: 9 };
  const error = new FlError("FL_PROCESS_CRASHED").toJSON();
  const lost = (round: number) => ({ type: "collaborator.failed" as const, collaborator: "a", round, error });
  const said = (): AggregatorEvent[] => s.sent.splice(0);
  const report = () => s.wire.request(subjects.envoyFailed, { envoy: "a", exp: "e" }, { error }, REQUEST);
  s.wire.publish(subjects.alive, s.place, alive);
  await report();
  for (let i = 0; i < 3; i++) {
    s.clock.advance(SILENT_MS);
    await report();
  }
  // the machine tells a failure that it knows from a new one
  t.deepEqual(new Set(said().map((e) => e.type)), new Set(["collaborator.failed"]), "neither lost nor returned");
  s.enter(3);
  t.is(s.stateOf("a"), "failed");
  s.clock.advance(SILENT_MS);
  t.deepEqual(said(), [lost(3)]);
  s.wire.publish(subjects.alive, s.place, alive);
  await s.wire.ports.bus.flush();
  t.deepEqual(said(), [{ type: "collaborator.returned", collaborator: "a" }]);
  s.enter(4);
  s.clock.advance(250);
  t.deepEqual(said(), []);
  t.is(s.stateOf("a"), "working");
});

test("an aggregation that has lost its updates is told; the offer is to come again", async (t) => {
  const error = new FlError("FL_PART_LOST").toJSON();
  const s = scene({ verdict: "again", error });
  await s.wire.request(subjects.offer, s.place, offer, REQUEST);
  t.deepEqual(s.sent, [{ type: "aggregation.lost", error }]);
});

test("the Director's word ends the experiment: as cancelled, or as failed with the cause it gives", async (t) => {
  const s = scene();
  const error = new FlError("FL_DEADLINE").toJSON();
  const failure = { role: "director" as const, name: "d", round: null, error };
  const place = { exp: "e", director: "d" };
  t.deepEqual(await s.wire.request(subjects.end, place, { failure: null }, REQUEST), { ok: true });
  t.deepEqual(await s.wire.request(subjects.end, place, { failure }, REQUEST), { ok: true });
  t.deepEqual(s.sent, [{ type: "cancel" }, { type: "fail", failure }]);
});

test("who falls silent is told once, and so is its return", async (t) => {
  const s = scene();
  const alive = { round: 2, doing: "train", done: 1, total: 9 };
  s.wire.publish(subjects.alive, s.place, alive);
  await s.wire.ports.bus.flush();
  s.clock.advance(SILENT_MS + 1_000);
  t.deepEqual(s.sent, [{ type: "collaborator.lost", collaborator: "a" }]);
  s.wire.publish(subjects.alive, s.place, alive);
  await s.wire.ports.bus.flush();
  t.deepEqual(s.sent.slice(1), [{ type: "collaborator.returned", collaborator: "a" }]);
});

test("progress is published a few times a second while something changes, in JSON, and ends with the intake", async (t) => {
  const s = scene();
  s.clock.advance(1_000);
  await s.wire.ports.bus.flush();
  t.is(s.told.length, 1, "nothing has changed since the first");
  t.like(s.told[0], {
    round: 2,
    rounds: 3,
    quorum: 2,
    waiting_for: null,
    peers: [{ name: "a", state: "absent" }, { name: "b" }],
  });
  t.deepEqual(decode(schema, encode(s.told[0]), "msgpack", "progress"), s.told[0]!);
  await s.wire.request(subjects.offer, s.place, offer, REQUEST);
  s.clock.advance(250);
  await s.wire.ports.bus.flush();
  t.is(s.told.length, 2);
  t.is(s.told[1]!.peers[0]!.state, "accepted");
  s.end();
  t.is(s.clock.waiting, 0);
  await t.throwsAsync(s.wire.request(subjects.offer, s.place, offer, REQUEST), { code: "FL_NO_RESPONDER" });
});

test("an aggregation that keeps the round waiting is told and shown, and so is its end", async (t) => {
  const s = scene();
  for (const part of ["nats:rule", null]) {
    s.bench.waitingFor = part;
    s.clock.advance(1_000);
    t.deepEqual(s.sent.splice(0), [{ type: "aggregation.awaited", part }]);
    await s.wire.ports.bus.flush();
    t.is(s.told.at(-1)?.waiting_for, part);
  }
  t.is(s.told.length, 2);
});

test("between rounds there is no progress to tell, and a malformed offer fails nobody", async (t) => {
  const s = scene({ verdict: "again" }, null);
  s.clock.advance(1_000);
  await s.wire.ports.bus.flush();
  t.deepEqual(s.told, []);
  t.like(await s.wire.request(subjects.offer, s.place, { ...offer, weight: -1 }, REQUEST), { verdict: "refused" });
  t.deepEqual(s.sent, []);
});
