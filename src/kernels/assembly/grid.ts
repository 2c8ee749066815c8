// AssemblyScript. What each does, and why it may, is in ../plain-grid.ts, its twin.

const HI: f64 = 1.0 / 2048.0; // 2^-11
const MAGIC: f64 = 6755399441055744.0; // 1.5 · 2^52
const TO_HI: f64 = MAGIC * HI;
const TO_LO: f64 = MAGIC / 9223372036854775808.0; // 2^-63

/** The bits of the greatest magnitude among n values; those of NaN are above all others. */
export function peak(row: usize, n: i32): i32 {
  const magnitude = i32x4.splat(0x7fff_ffff);
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  const end = row + (<usize>n << 2);
  const pairs = row + (<usize>(n & ~7) << 2);
  for (; row < pairs; row += 32) {
    a = i32x4.max_s(a, v128.and(v128.load(row), magnitude));
    b = i32x4.max_s(b, v128.and(v128.load(row, 16), magnitude));
  }
  a = i32x4.max_s(a, b);
  let greatest = max(
    max(i32x4.extract_lane(a, 0), i32x4.extract_lane(a, 1)),
    max(i32x4.extract_lane(a, 2), i32x4.extract_lane(a, 3)),
  );
  for (; row < end; row += 4) greatest = max(greatest, load<i32>(row) & 0x7fff_ffff);
  return greatest;
}

// @ts-ignore: decorator
@inline
function term(row: usize, w: v128): v128 {
  return f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(row)), w);
}

// @ts-ignore: decorator
@inline
function onLo(v: v128): v128 {
  return f64x2.sub(f64x2.add(v, f64x2.splat(TO_LO)), f64x2.splat(TO_LO));
}

// @ts-ignore: decorator
@inline
function pass(hi: usize, lo: usize, row: usize, stride: usize, n: i32, w0: f64, w1: f64, w2: f64, rows: i32, fresh: bool): void {
  const a = f64x2.splat(w0);
  const b = f64x2.splat(w1);
  const c = f64x2.splat(w2);
  const toHi = f64x2.splat(TO_HI);
  const end = hi + (<usize>n << 3);
  for (; hi < end; hi += 16, lo += 16, row += 8) {
    let v = term(row, a);
    let s = f64x2.add(toHi, v);
    let t = onLo(f64x2.sub(v, f64x2.sub(s, toHi)));
    if (rows > 1) {
      v = term(row + stride, b);
      const next = f64x2.add(s, v);
      t = f64x2.add(t, onLo(f64x2.sub(v, f64x2.sub(next, s))));
      s = next;
    }
    if (rows > 2) {
      v = term(row + 2 * stride, c);
      const next = f64x2.add(s, v);
      t = f64x2.add(t, onLo(f64x2.sub(v, f64x2.sub(next, s))));
      s = next;
    }
    if (!fresh) t = f64x2.add(t, v128.load(lo));
    const carry = f64x2.sub(f64x2.add(t, toHi), toHi);
    v128.store(lo, f64x2.sub(t, carry));
    const h = f64x2.add(f64x2.sub(s, toHi), carry);
    v128.store(hi, fresh ? h : f64x2.add(v128.load(hi), h));
  }
}

/** Adds one to three rows, `stride` bytes apart, to n elements; what is beyond n up to a multiple of two is touched too. */
export function add(hi: usize, lo: usize, row: usize, stride: usize, n: i32, w0: f64, w1: f64, w2: f64, rows: i32, fresh: bool): void {
  if (fresh) {
    if (rows == 1) pass(hi, lo, row, stride, n, w0, w1, w2, 1, true);
    else if (rows == 2) pass(hi, lo, row, stride, n, w0, w1, w2, 2, true);
    else pass(hi, lo, row, stride, n, w0, w1, w2, 3, true);
  } else if (rows == 1) pass(hi, lo, row, stride, n, w0, w1, w2, 1, false);
  else if (rows == 2) pass(hi, lo, row, stride, n, w0, w1, w2, 2, false);
  else pass(hi, lo, row, stride, n, w0, w1, w2, 3, false);
}

/** out = f32((hi + lo) · scale / total) */
export function mean(hi: usize, lo: usize, scale: f64, total: f64, out: usize, n: i32): void {
  const by = f64x2.splat(scale);
  const over = f64x2.splat(total);
  const end = hi + (<usize>n << 3);
  for (; hi < end; hi += 16, lo += 16, out += 8) {
    const sum = f64x2.add(v128.load(hi), v128.load(lo));
    v128.store64_lane(out, f32x4.demote_f64x2_zero(f64x2.div(f64x2.mul(sum, by), over)), 0);
  }
}
