/** Undisturbed, twice: what test/federation/kill.test.ts compares with is no accident. */
import test from "ava";
import { reference, run } from "../support/digits.ts";

test("the same submission gives the same model to the last bit, run after run", async (t) => {
  t.is(await run(t), await reference(t));
});
