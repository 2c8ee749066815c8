/**
 * Loads the kernels: src/kernels/assembly, compiled by the build to kernels.wasm beside this file.
 *
 * Owns the compiled module and what it exports. Where WebAssembly SIMD or the binary is missing, or no memory is to be had,
 * there are no kernels, and whoever asked uses its plain twin.
 */
import { readFileSync } from "node:fs";

/** Places are bytes into the memory, lengths are elements. */
export type Kernels = {
  /** the bits of the greatest magnitude among n values; those of NaN are above all others */
  peak(row: number, n: number): number;
  /** adds one to three rows, `stride` bytes apart; from an even element on, and a padded end is written too */
  add(
    hi: number,
    lo: number,
    row: number,
    stride: number,
    n: number,
    w0: number,
    w1: number,
    w2: number,
    rows: number,
    fresh: boolean,
  ): void;
  mean(hi: number, lo: number, scale: number, total: number, out: number, n: number): void;
};

/** What is used of WebAssembly; TypeScript knows it with a browser's types only. */
type Wasm = {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Memory: new (of: { initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Instance: new (module: object, imports: { env: { memory: object } }) => { readonly exports: object };
};
const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly?: Wasm };
const PAGE = 65_536;

let compiled: object | null | undefined;

function compile(): object | null {
  try {
    return wasm ? new wasm.Module(readFileSync(new URL("./kernels.wasm", import.meta.url))) : null;
  } catch {
    return null;
  }
}

/** The kernels over a new memory of zeros, or undefined. */
export function kernelsOver(bytes: number): { buffer: ArrayBuffer; kernels: Kernels } | undefined {
  if (compiled === undefined) compiled = compile();
  if (compiled === null || wasm === undefined) return undefined;
  try {
    const memory = new wasm.Memory({ initial: Math.ceil(bytes / PAGE) });
    const { exports } = new wasm.Instance(compiled, { env: { memory } });
    return { buffer: memory.buffer, kernels: exports as Kernels };
  } catch {
    return undefined;
  }
}
