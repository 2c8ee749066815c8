/**
 * What an optimizer or a method remembers of a model, as tensors that follow the model's own: the layout of a trainer that
 * keeps it.
 *
 * SL1 Names begin with `optimizer/`, which no tensor of a model does: `optimizer/momentum/0.kernel`, `optimizer/m/0.kernel`.
 *     Every tensor of the model has its slots, also one that is not trained, so a layout follows from the model's alone.
 * SL2 They are no part of a model: whatever is stored or handed out as one goes without them.
 * SL3 A method's (src/plan/method.ts) come last, `scaffold/c/0.kernel`: those that travel, then those that stay.
 */
import { type Layout, layoutOf, specsOf } from "./layout.ts";
import { Subset } from "./subset.ts";

const PREFIX = "optimizer/";
const STEP = `${PREFIX}step`;
const moments = { momentum: ["momentum"], adam: ["m", "v"] } as const;
export type Remembering = keyof typeof moments;

/** how many values of each of the model's an optimizer remembers, and how many beside them */
export const slotsOf = (kind: Remembering) => ({ moments: moments[kind].length, steps: kind === "adam" ? 1 : 0 });

/** The model's tensors, then the steps taken, then moment by moment a tensor for each of the model's (SL1). */
export function withSlots(model: Layout, kind: Remembering): Layout {
  const specs = specsOf(model);
  const slots = moments[kind].flatMap((m) => specs.map((spec) => ({ ...spec, name: `${PREFIX}${m}/${spec.name}` })));
  return layoutOf([...specs, ...(kind === "adam" ? [{ name: STEP, dtype: "f32", shape: [] }] : []), ...slots]);
}

/** Of each method, what it keeps of a tensor that travels, and what stays at a collaborator. */
export const methods = {
  fedcurv: { travels: ["u", "v"], stays: ["own-u", "own-v"] },
  scaffold: { travels: ["c"], stays: ["own-c"] },
  feddyn: { travels: [], stays: ["g"] },
} as const;
export type MethodName = keyof typeof methods;

/** A layout with a method's slots behind it (SL3); all of them, or only those that travel. */
export function withMethod(layout: Layout, name: MethodName, which: "all" | "travelling" = "all"): Layout {
  const { travels, stays } = methods[name];
  const specs = specsOf(layout);
  const model = specs.filter((spec) => !isSlot(spec.name));
  const kept = which === "all" ? [...travels, ...stays] : travels;
  return layoutOf([
    ...specs,
    ...kept.flatMap((k) => model.map((spec) => ({ ...spec, name: `${name}/${k}/${spec.name}` }))),
  ]);
}

const SLOT = /^(optimizer|fedcurv|scaffold|feddyn)\//;
export const isSlot = (name: string): boolean => SLOT.test(name);

/** Whether it is a method's, and if so, whether it travels. */
export function methodSlot(name: string): "travels" | "stays" | undefined {
  const [method, kept] = name.split("/") as [string, string?];
  if (!Object.hasOwn(methods, method)) return undefined;
  return (methods[method as MethodName].travels as readonly string[]).includes(kept ?? "") ? "travels" : "stays";
}

/** Whose slot it is; undefined for what belongs to all. */
export const ownerOf = (slot: string): string | undefined =>
  /^[a-z]+\/[a-z-]+\/(.+)$/.exec(isSlot(slot) ? slot : "")?.[1];

/** The model alone (SL2); the same object if there is nothing else. */
export function modelOf<M extends { readonly layout: Layout; readonly values: Float32Array }>(model: M): M {
  const bare = new Subset(model.layout, ({ name }) => !isSlot(name));
  if (bare.isWhole) return model;
  return { ...model, layout: bare.layout, values: bare.take(model.values, new Float32Array(bare.layout.length)) };
}
