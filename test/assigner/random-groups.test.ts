import test from "ava";
import fc from "fast-check";
import { random_groups, sizesOf } from "../../actors/assigner/random-groups.ts";
import { Random, seedFrom } from "../../src/data/random.ts";
import { assignerRound } from "../support/assigner.ts";

const group = (name: string, share: string, tasks: string[]) => ({ name, share, tasks });

test("C10 everybody is in exactly one group, for every number of collaborators, and no group is a whole place off its share (RG1)", (t) => {
  const shares = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5_000 }), shares, (n, parts) => {
      const sum = parts.reduce((a, b) => a + b, 0);
      const sizes = sizesOf(n, parts);
      return (
        sizes.reduce((a, b) => a + b, 0) === n && sizes.every((size, i) => Math.abs(size - (n * parts[i]!) / sum) < 1)
      );
    }),
  );
  t.deepEqual(sizesOf(5, [70, 30]), [4, 1], "where the reference stops with an assertion");
  t.deepEqual(sizesOf(3, [50, 50]), [2, 1]);
  t.deepEqual(sizesOf(100, [29, 71]), [29, 71]);
  t.deepEqual(sizesOf(10, [33.3, 33.3, 33.3]), [4, 3, 3]);
});

test("the largest remainder gets what is left, of equal ones the earlier group (RG1)", (t) => {
  t.deepEqual(sizesOf(7, [10, 45, 45]), [1, 3, 3]);
  t.deepEqual(sizesOf(4, [25, 25, 50]), [1, 1, 2]);
  t.deepEqual(sizesOf(1, [50, 50]), [1, 0]);
  t.deepEqual(sizesOf(2, [34, 33, 33]), [1, 1, 0]);
});

test("the draw is the seed's and the round's: the same again, another in another round (RG2)", async (t) => {
  const assigner = random_groups.create({
    groups: [group("trainers", "40%", ["train"]), group("raters", "60%", ["validate_global"])],
  });
  const names = Array.from({ length: 20 }, (_, i) => `c${i}`);
  const draw = (round: number, seed = 7) =>
    assigner.assign(assignerRound({ round, names, random: new Random(seedFrom("assigner", seed, round)) }));
  const trainers = async (round: number, seed?: number): Promise<string> =>
    Object.entries(await draw(round, seed))
      .filter(([, labels]) => labels.includes("train"))
      .map(([name]) => name)
      .join();
  t.is((await trainers(1)).split(",").length, 8);
  t.is(await trainers(1), await trainers(1));
  t.not(await trainers(1), await trainers(2));
  t.not(await trainers(1), await trainers(1, 8));
  const all = new Set((await Promise.all(Array.from({ length: 30 }, (_, r) => trainers(r + 1)))).join().split(","));
  t.is(all.size, 20, "everybody's turn comes");
});

test("a group without tasks does all of them, one with none rests", async (t) => {
  const of = (groups: object[]) => random_groups.create({ groups }).assign(assignerRound({ names: ["a", "b"] }));
  t.deepEqual(await of([{ name: "all", share: "100%" }]), {
    a: ["validate_global", "train"],
    b: ["validate_global", "train"],
  });
  const half = await of([
    { name: "some", share: "50%" },
    { name: "rest", share: "50%", tasks: [] },
  ]);
  t.is(Object.keys(half).length, 1, "whoever rests is not asked (AS2)");
});
