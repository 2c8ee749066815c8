/**
 * Median: each element is the median of the updates' elements; for an even number, the mean of the middle two.
 *
 *   w[t+1]_j = med { (w_k[t+1])_j : k },   for every coordinate j
 *
 * D. Yin, Y. Chen, K. Ramchandran, P. Bartlett: Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates,
 * ICML 2018, arXiv 1803.01498, Definition 1 and Algorithm 1 (Option I). Weights play no part: an attacker would choose his.
 *
 * Up to NETWORK updates are sorted together (sorting.ts); beyond, each element is selected by itself.
 */
import { defineAggregation } from "../../src/parts/aggregation.ts";
import { NETWORK, sortColumns } from "./sorting.ts";

export const median = defineAggregation({
  name: "median",
  summary: "The median of each element (Yin et al. 2018). Everyone counts one.",
  combine({ columns, out }) {
    const upper = columns.length >> 1;
    const lower = (columns.length - 1) >> 1;
    if (columns.length > NETWORK) {
      selectEach(columns, lower, upper, out);
      return;
    }
    sortColumns(columns, upper === lower ? [lower] : [lower, upper]);
    middle(columns[lower] as Float32Array, columns[upper] as Float32Array, out);
  },
});

/** + 0 makes -0 into 0: which of the two is in the middle is left open. */
const half = (sum: number): number => sum / 2 + 0;

function middle(lower: Float32Array, upper: Float32Array, out: Float32Array): void {
  for (let j = 0; j < out.length; j++) out[j] = half((lower[j] as number) + (upper[j] as number));
}

function selectEach(columns: readonly Float32Array[], lower: number, upper: number, out: Float32Array): void {
  const one = new Float32Array(columns.length);
  for (let j = 0; j < out.length; j++) {
    for (let k = 0; k < one.length; k++) one[k] = (columns[k] as Float32Array)[j] as number;
    select(one, upper);
    const high = one[upper] as number;
    let low = high;
    if (lower !== upper) {
      low = one[0] as number;
      for (let k = 1; k < upper; k++) low = Math.max(low, one[k] as number);
    }
    out[j] = half(low + high);
  }
}

/** C. A. R. Hoare's FIND: afterwards a[n] is what it would be in a sorted `a`, with nothing greater before it. */
function select(a: Float32Array, n: number): void {
  let left = 0;
  let right = a.length - 1;
  while (left < right) {
    const pivot = a[n] as number;
    let i = left;
    let j = right;
    while (i <= j) {
      while ((a[i] as number) < pivot) i++;
      while (pivot < (a[j] as number)) j--;
      if (i > j) break;
      const x = a[i] as number;
      a[i++] = a[j] as number;
      a[j--] = x;
    }
    if (j < n) left = i;
    if (n < i) right = j;
  }
}
