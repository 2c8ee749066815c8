import test from "ava";
import { levels } from "../../src/codec/eden-levels.ts";

const phi = (x: number): number => Math.exp((-x * x) / 2);
/** the mean of the normal distribution in [a, b), by Simpson's rule */
function mean(a: number, b: number): number {
  const steps = 2000;
  const h = (b - a) / steps;
  let [mass, moment] = [0, 0];
  for (let i = 0; i <= steps; i++) {
    const x = a + i * h;
    const w = (i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2) * phi(x);
    mass += w;
    moment += w * x;
  }
  return moment / mass;
}

test("each level is the mean of the normal distribution between the midpoints to its neighbours", (t) => {
  t.deepEqual(
    levels.map((l) => l.length),
    [1, 2, 4, 8, 16, 32, 64, 128],
  );
  for (const own of levels) {
    for (const [i, level] of own.entries()) {
      const from = i === 0 ? 0 : (own[i - 1]! + level) / 2;
      const to = i === own.length - 1 ? 12 : (level + own[i + 1]!) / 2;
      t.true(Math.abs(mean(from, to) - level) < 2e-8, `${own.length}: ${level}`);
    }
  }
});
