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

type Slots = {
  /** of each tensor, what travels, and what stays at a collaborator */
  readonly travels: readonly string[];
  readonly stays: readonly string[];
  /** numbers that travel, of no tensor */
  readonly scalars: readonly string[];
};

/** What each method keeps. */
export const methods = {
  fedcurv: { travels: ["u", "v"], stays: ["own-u", "own-v"], scalars: [] },
  scaffold: { travels: ["c"], stays: ["own-c"], scalars: [] },
  feddyn: { travels: [], stays: ["g"], scalars: [] },
  fednova: { travels: [], stays: [], scalars: ["a"] },
  q_fedavg: { travels: [], stays: [], scalars: ["loss", "rate"] },
} as const satisfies Record<string, Slots>;
export type MethodName = keyof typeof methods;

/** A layout with a method's slots behind it (SL3); all of them, or only those that travel. */
export function withMethod(layout: Layout, name: MethodName, which: "all" | "travelling" = "all"): Layout {
  const { travels, stays, scalars }: Slots = methods[name];
  const specs = specsOf(layout);
  const model = specs.filter((spec) => !isSlot(spec.name));
  const kept = which === "all" ? [...travels, ...stays] : travels;
  const slots = kept.flatMap((k) => model.map((spec) => ({ ...spec, name: `${name}/${k}/${spec.name}` })));
  return layoutOf([...specs, ...scalars.map((k) => ({ name: `${name}/${k}`, dtype: "f32", shape: [] })), ...slots]);
}

/** Where a method's scalars lie in a layout, in their order; undefined if they are not there. */
export function scalarsOf(layout: Layout, name: MethodName): number[] | undefined {
  const places = methods[name].scalars.map((k) => layout.tensors.find((t) => t.name === `${name}/${k}`)?.offset);
  return places.every((place) => place !== undefined) ? places : undefined;
}

const SLOT = /^(optimizer|fedcurv|scaffold|feddyn|fednova|q_fedavg)\//;
export const isSlot = (name: string): boolean => SLOT.test(name);

/** Whether it is a method's, and if so, whether it travels. */
export function methodSlot(name: string): "travels" | "stays" | undefined {
  const [method, kept] = name.split("/") as [string, string?];
  if (!Object.hasOwn(methods, method)) return undefined;
  const { stays }: Slots = methods[method as MethodName];
  return stays.includes(kept ?? "") ? "stays" : "travels";
}

/** Whose slot it is; undefined for what belongs to all. */
export const ownerOf = (slot: string): string | undefined =>
  /^[a-z_]+\/[a-z-]+\/(.+)$/.exec(isSlot(slot) ? slot : "")?.[1];

/** The model alone (SL2); the same object if there is nothing else. */
export function modelOf<M extends { readonly layout: Layout; readonly values: Float32Array }>(model: M): M {
  const bare = new Subset(model.layout, ({ name }) => !isSlot(name));
  if (bare.isWhole) return model;
  return { ...model, layout: bare.layout, values: bare.take(model.values, new Float32Array(bare.layout.length)) };
}
