import test from "ava";
import { nearest } from "../src/nearest.ts";

const keys = ["rounds", "seed", "quorum", "batchSize"];

test("nearest: a slip of a letter or two finds the word (N2)", (t) => {
  t.is(nearest("quroum", keys), "quorum");
  t.is(nearest("round", keys), "rounds");
});

test("nearest: case, dashes and underscores never count (N1)", (t) => {
  t.is(nearest("batch_size", keys), "batchSize");
  t.is(nearest("Batch-Size", keys), "batchSize");
});

test("nearest: nothing is suggested when nothing is near (N2)", (t) => {
  t.is(nearest("engine", keys), undefined);
  t.is(nearest("x", []), undefined);
});
