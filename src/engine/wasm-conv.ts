/**
 * The gradient of a 2-d convolution's filter, which TensorFlow.js's wasm backend lacks: without it no CNN trains there.
 *
 * It is itself a convolution: with batch and channel axes swapped, the input is convolved with the output's gradient, and the
 * stride becomes a dilation. All from kernels the backend has.
 *
 * Y1 Results equal the cpu backend's up to rounding (test/engine/wasm-kernels.test.ts).
 * Y2 No tensor outlives the call but the result. Only NHWC, as the backend's other convolutions.
 */
import type * as tfjs from "@tensorflow/tfjs";
import type { Tf } from "../workspace/define.ts";

type Backend = { disposeData(dataId: object): boolean };
type Arguments = { inputs: tfjs.NamedTensorInfoMap; backend: Backend; attrs: tfjs.NamedAttrMap };
type Kernel = (args: Arguments) => tfjs.TensorInfo;
type Pad = Parameters<Tf["backend_util"]["computeConv2DInfo"]>[4];
type Rounding = "floor" | "round" | "ceil";

/** Call it once the wasm backend is registered; a second call does nothing. */
export function registerWasmConv(tf: Tf): void {
  const kernelName = "Conv2DBackpropFilter";
  const need = (name: string): Kernel | undefined =>
    tf.getKernel(name, "wasm")?.kernelFunc as unknown as Kernel | undefined;
  const conv = need("Conv2D");
  const transpose = need("Transpose");
  const slice = need("Slice");
  // A later release may have its own.
  if (!conv || !transpose || !slice || need(kernelName)) return;

  const kernelFunc: Kernel = ({ inputs, backend, attrs }) => {
    const { strides, pad, dimRoundingMode, filterShape } = attrs as unknown as {
      strides: number | [number, number];
      pad: Pad;
      dimRoundingMode?: Rounding;
      filterShape: [number, number, number, number];
    };
    if (attrs.dataFormat !== "NHWC") throw new Error("convolutions on wasm are NHWC only");
    const x = inputs.x!;
    const shape = x.shape as [number, number, number, number];
    const info = tf.backend_util.computeConv2DInfo(shape, filterShape, strides, 1, pad, dimRoundingMode);
    const { top, bottom, left, right } = info.padInfo;
    const made: tfjs.TensorInfo[] = [];
    const run = (kernel: Kernel, kernelInputs: tfjs.NamedTensorInfoMap, kernelAttrs: object): tfjs.TensorInfo => {
      const out = kernel({ inputs: kernelInputs, backend, attrs: kernelAttrs as tfjs.NamedAttrMap });
      made.push(out);
      return out;
    };
    const channelsFirst = run(transpose, { x }, { perm: [3, 1, 2, 0] }); // [C, H, W, N]
    const kernel = run(transpose, { x: inputs.dy! }, { perm: [1, 2, 0, 3] }); // [H', W', N, K]
    const wide = run(
      conv,
      { x: channelsFirst, filter: kernel },
      {
        strides: [1, 1],
        dilations: [info.strideHeight, info.strideWidth],
        pad: [
          [0, 0],
          [top, bottom],
          [left, right],
          [0, 0],
        ],
        dataFormat: "NHWC",
      },
    ); // [C, ≥ fh, ≥ fw, K]: rows the stride never reached come out as surplus taps
    const [fh, fw, inChannels, outChannels] = filterShape;
    const exact = run(slice, { x: wide }, { begin: [0, 0, 0, 0], size: [inChannels, fh, fw, outChannels] });
    const out = transpose({ inputs: { x: exact }, backend, attrs: { perm: [1, 2, 0, 3] } });
    for (const t of made) backend.disposeData(t.dataId); // Y2
    return out;
  };
  tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc: kernelFunc as unknown as tfjs.KernelFunc });
}
