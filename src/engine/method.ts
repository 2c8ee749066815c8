/**
 * A collaborator's part of a method (src/plan/method.ts): the pull on its training, and what it leaves in the slots afterwards.
 * The other part is the rule of that name in actors/aggregation, which has the papers. w is the model that entered the round, y
 * the one that training has come to, after K steps of η.
 *
 *   fedcurv   + 2 λ · ((U − u_k) · v − (V − v_k))      then u_k = I_k, v_k = I_k · y, I_k the mean square of each weight's gradient
 *   scaffold  + c − c_k                                then c_k⁺ = c_k − c + (w − y) / (K η), and c + c_k⁺ − c_k travels
 *   feddyn    + α · (v − w) − g_k                      then g_k⁺ = g_k − α · (y − w)
 *   fednova   nothing                                  then ‖a_k‖₁, how many steps training has come to
 *   q_fedavg  nothing                                  then F_k(w), and η
 *
 * MT1 Slots change when training has ended, never by training that failed.
 * MT2 What is not trained is neither pulled nor measured: its slots stay as they are, all zero.
 * MT3 U holds u_k where the last update counted. Where it did not (it came late, or U is of before), U − u_k may be below zero,
 *     which would drive weights away: there a collaborator's own share is taken not to be in it.
 */
import type * as tfjs from "@tensorflow/tfjs";
import type { Method } from "../plan/method.ts";
import type { Layout } from "../tensor/layout.ts";
import { methods } from "../tensor/slots.ts";
import type { Tf } from "../workspace/define.ts";
import type { TrainArguments } from "./arguments.ts";
import { type Pull, trainedPlaces, trainedValues } from "./pull.ts";

/** What a method keeps of a model of this layout, flat: its slots one after the other. */
export type Keeping = { readonly method: Method; readonly model: Layout; readonly values: Float32Array };

export function keepingOf(method: Method, model: Layout): Keeping {
  const { travels, stays, scalars } = methods[method.name];
  return { method, model, values: new Float32Array(scalars.length + (travels.length + stays.length) * model.length) };
}

/** Slot by slot, in the order of src/tensor/slots.ts. */
const slotsIn = ({ model, values }: Keeping): Float32Array[] =>
  Array.from({ length: values.length / model.length }, (_, k) =>
    values.subarray(k * model.length, (k + 1) * model.length),
  );

/** `entered` is w; undefined for a method that does not pull. */
export function methodPull(tf: Tf, model: tfjs.LayersModel, keeping: Keeping, entered: Float32Array): Pull | undefined {
  const { name, strength } = keeping.method;
  if (name === "fednova" || name === "q_fedavg") return undefined;
  const slots = slotsIn(keeping) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const { scale, shift } = coefficients(name, strength, slots, entered);
  const [scales, shifts] = [scale, shift].map((flat) => (flat && trainedValues(tf, model, flat)) ?? []);
  return {
    gradient(index, weight) {
      const constant = shifts![index]!;
      if (name === "scaffold") return constant;
      if (name === "feddyn") return tf.add(tf.mul(weight, strength), constant);
      return tf.add(tf.mul(weight, scales![index]!), constant);
    },
    dispose: () => tf.dispose([...scales!, ...shifts!]),
  };
}

type Slots = readonly [Float32Array, Float32Array, Float32Array, Float32Array];

/** The pull on v is scale · v + shift. */
function coefficients(
  name: "scaffold" | "feddyn" | "fedcurv",
  strength: number,
  [a, b, ownA, ownB]: Slots,
  entered: Float32Array,
): { scale?: Float32Array; shift: Float32Array } {
  switch (name) {
    case "scaffold":
      return { shift: a.map((c, i) => c - b[i]!) };
    case "feddyn":
      return { shift: a.map((g, i) => -strength * entered[i]! - g) };
    case "fedcurv": {
      const others = (i: number): boolean => a[i]! >= ownA[i]!; // MT3
      return {
        scale: a.map((u, i) => 2 * strength * (others(i) ? u - ownA[i]! : u)),
        shift: b.map((v, i) => -2 * strength * (others(i) ? v - ownB[i]! : v)),
      };
    }
  }
}

export type Trained = {
  /** w and y, flat */
  readonly entered: Float32Array;
  readonly tuned: Float32Array;
  /** K */
  readonly steps: number;
  readonly args: Pick<TrainArguments, "learningRate" | "momentum" | "optimizer" | "proximal">;
  /** F_k(w); asked for by q_fedavg alone */
  readonly loss: number | undefined;
  /** the mean square of each trained weight's gradient, over samples one by one; asked for by fedcurv alone */
  squares(samples: number): Promise<Float32Array[]>;
};

/** Writes what training leaves into the slots (MT1). */
export async function settleMethod(model: tfjs.LayersModel, keeping: Keeping, trained: Trained): Promise<void> {
  const { name, strength, samples } = keeping.method;
  const { entered, tuned, steps, args } = trained;
  if (name === "fednova") keeping.values[0] = stepsOf(steps, args);
  if (name === "q_fedavg") keeping.values.set([trained.loss!, args.learningRate]);
  if (name === "fednova" || name === "q_fedavg") return;
  const [a, b, ownA, ownB] = slotsIn(keeping) as unknown as Slots;
  const squares = name === "fedcurv" ? await trained.squares(samples) : [];
  for (const [k, { from, to }] of trainedPlaces(model).entries()) {
    for (let i = from; i < to; i++) {
      const moved = tuned[i]! - entered[i]!;
      if (name === "feddyn") a[i]! -= strength * moved;
      else if (name === "scaffold") {
        const change = -a[i]! - moved / (steps * args.learningRate);
        a[i]! += change;
        b[i]! += change;
      } else {
        const square = squares[k]![i - from]!;
        a[i] = ownA[i] = square;
        b[i] = ownB[i] = square * tuned[i]!;
      }
    }
  }
}

/**
 * ‖a‖₁ of FedNova: how far K steps lead whose gradients are all 1, in units of η. Steps are linear in their gradients, and with
 * none of these coefficients below zero (η · μ ≤ 1) the way is their sum. K itself for plain SGD.
 */
export function stepsOf(steps: number, { learningRate, momentum, optimizer, proximal }: Trained["args"]): number {
  const rho = optimizer === "momentum" ? momentum : 0;
  let [way, speed] = [0, 0];
  for (let k = 0; k < steps; k++) {
    speed = rho * speed + 1 - learningRate * proximal * way;
    way += speed;
  }
  return way;
}
