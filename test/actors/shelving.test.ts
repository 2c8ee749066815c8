import test from "ava";
import { EVERY_ROUNDS, Shelving } from "../../actors/aggregator/shelving.ts";
import { INLINE_BYTES, publishModel } from "../../src/transfer/model-stream.ts";
import type { ModelRef } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { quiet, testWorld } from "../support/ports.ts";

const ROUNDS = 2 * EVERY_ROUNDS + 8;

/** An experiment with an aggregation that has a state of its own, whose third model stays the best. */
async function shelved(best: (round: number, models: readonly ModelRef[]) => ModelRef | null) {
  const wire = testWorld().wire("aggregator");
  const journal = await wire.journal("model", "e");
  const shelving = new Shelving(wire, journal, "e");
  const models: ModelRef[] = [];
  const states: ModelRef[] = [];
  const put = (subject: typeof subjects.modelChunk | typeof subjects.stateChunk, round: number): Promise<ModelRef> =>
    publishModel(
      { wire, journal, exp: "e" },
      subject,
      { epoch: 1, round },
      new Uint8Array(INLINE_BYTES + 1).fill(round),
      "l",
    );
  const kept: [number, ModelRef[]][] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const model = await put(subjects.modelChunk, round);
    models.push(model);
    const state = await put(subjects.stateChunk, round);
    states.push(state);
    const named = best(round, models);
    shelving.keep({ model, best: named, state });
    await quiet();
    kept.push([round, [model, state, ...(named === null ? [] : [named])]]);
    for (const ref of kept.at(-1)![1]) {
      if ((await journal.read(ref.seq)) === undefined) throw new Error(`round ${round}: ${ref.seq} was purged`);
    }
  }
  const present = async (refs: readonly ModelRef[]): Promise<number[]> => {
    const rounds = await Promise.all(
      refs.map(async (r) => ((await journal.read(r.seq)) === undefined ? [] : [r.round])),
    );
    return rounds.flat();
  };
  return { models: await present(models), states: await present(states) };
}

test("what the newest record names is never purged, the rest is after some rounds (K1)", async (t) => {
  const { models, states } = await shelved((_round, all) => all.at(-1)!);
  t.deepEqual(models, states);
  t.true(models.length < EVERY_ROUNDS && models.at(-1) === ROUNDS, models.join());
});

test("an old best model stays, though its round's state goes, and so does what lies between (K1, K2)", async (t) => {
  const { models, states } = await shelved((round, all) => (round < 3 ? null : all[2]!));
  t.is(models[0], 3);
  t.true(models.length < EVERY_ROUNDS && models.at(-1) === ROUNDS, models.join());
  t.false(states.includes(3));
  t.is(states.at(-1), ROUNDS);
});

test("the change that the newest record names is never purged, nor is the model beside it (K1, K2)", async (t) => {
  const wire = testWorld().wire("aggregator");
  const journal = await wire.journal("model", "e");
  const shelving = new Shelving(wire, journal, "e");
  const put = (subject: typeof subjects.modelChunk | typeof subjects.changeChunk, round: number): Promise<ModelRef> =>
    publishModel({ wire, journal, exp: "e" }, subject, { epoch: 1, round }, new Uint8Array(INLINE_BYTES + 1), "l");
  const changes: ModelRef[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const model = await put(subjects.modelChunk, round);
    const change = await put(subjects.changeChunk, round);
    changes.push(change);
    shelving.keep({ model, best: null, state: null, change });
    await quiet();
    for (const { seq } of [model, change]) t.truthy(await journal.read(seq));
  }
  const left = await Promise.all(changes.map(({ seq }) => journal.read(seq)));
  t.true(left.filter((stored) => stored !== undefined).length < EVERY_ROUNDS);
});
