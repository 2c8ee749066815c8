/** A round as an assigner is told of it, for tests of assigners. */
import { Random } from "../../src/data/random.ts";
import type { AssignerRound, Candidate } from "../../src/parts/assigner.ts";

type Told = Partial<AssignerRound> & { names?: readonly string[] };

const candidate = (name: string): Candidate => ({
  ...{ name, shard: null, device: null, metrics: {} },
  standing: { asked: 0, answered: 0, failed: 0, late: 0 },
});

export const assignerRound = ({ names = ["a", "b", "c"], ...more }: Told = {}): AssignerRound => ({
  ...{ round: 1, rounds: 3, rating: false, seed: 42, history: [], random: new Random(1) },
  tasks: [
    { label: "validate_global", task: "validate", on: "global" },
    { label: "train", task: "train", on: null },
  ],
  collaborators: names.map(candidate),
  ...more,
});
