/**
 * What trains, and on which device. An envoy that is told a backend of its own keeps to that.
 *
 * EN1 A backend of a GPU does not go with the CPU as the device.
 */
import { z } from "zod";

export const engine = z
  .strictObject({
    backend: z
      .enum(["auto", "node-gpu", "node", "wasm", "cpu"])
      .default("auto")
      .describe("The TensorFlow.js backend; `auto` takes the fastest that each machine has."),
    device: z
      .enum(["gpu-preferred", "cpu"])
      .default("gpu-preferred")
      .describe("Whether a machine's GPU is used where one works, or no machine's."),
  })
  .refine(({ backend, device }) => backend !== "node-gpu" || device !== "cpu", {
    path: ["device"],
    message: "must not be cpu with the backend node-gpu", // EN1
    params: { whole: true },
  });

/** What the plan asks of `tfjsEngine`; `own` is a machine's own choice of a backend, which goes before. */
export function engineOptions({ backend, device }: z.output<typeof engine>, own?: string) {
  if (own !== undefined) return { backend: own };
  return backend === "auto" ? { device } : { backend, device };
}
