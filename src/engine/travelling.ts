/**
 * Which of a trainer's tensors travel, and what becomes of those that stay.
 *
 * TV1 What a plan holds out (`holdout`) is in no update and no model of the Aggregator: it is only here. It begins with the
 *     values the plan's seed gives the model, goes from round to round in memory, and begins again with its process.
 * TV2 So does what the optimizer remembers with `optimizer: local`; with `global` it travels, but for that of held tensors.
 *     A method's slots travel or stay as src/tensor/slots.ts says, and with their tensors.
 * TV3 What stays changes with `settle` alone: work that was broken off leaves it as it was.
 */
import { FlError } from "../errors.ts";
import type { Plan } from "../plan/plan.ts";
import { matches, matchesAny } from "../tensor/pattern.ts";
import { isSlot, methodSlot, ownerOf } from "../tensor/slots.ts";
import { Subset } from "../tensor/subset.ts";
import type { Trainer } from "./engine.ts";

type Told = Pick<Plan, "holdout" | "optimizer">;

/** @throws FL_PLAN_INVALID for a pattern that matches nothing, or when nothing is left to travel */
export function travellingOf({ layout, paths }: Pick<Trainer, "layout" | "paths">, told: Told): Subset {
  const tensors = layout.tensors.filter(({ name }) => !isSlot(name));
  const names = tensors.map(({ name }, i) => [name, ...(paths?.[i] === undefined ? [] : [paths[i]])]);
  const patterns = told.holdout?.names ?? [];
  const moot = patterns.find((pattern) => !names.some((own) => own.some((name) => matches(pattern, name))));
  if (moot !== undefined) {
    const has = names.map(([name, path]) => (path === undefined ? name : `${name} (${path})`)).join(", ");
    const reason = `holdout.names: ${moot} matches no tensor of the model; it has ${has}`;
    throw new FlError("FL_PLAN_INVALID", { reason });
  }
  const held = new Set(names.filter((own) => matchesAny(patterns, own)).map(([name]) => name));
  if (held.size === tensors.length) {
    const reason = "holdout.names matches every tensor of the model: none is left to train together";
    throw new FlError("FL_PLAN_INVALID", { reason });
  }
  const remembered = told.optimizer === "global";
  const goes = (slot: string): boolean => {
    const method = methodSlot(slot);
    return (method === undefined ? remembered : method === "travels") && !held.has(ownerOf(slot));
  };
  return new Subset(layout, ({ name }) => (isSlot(name) ? goes(name) : !held.has(name)));
}

/** A collaborator's side: the models that come get what stays here, the updates that go leave it here. */
export class Travelling {
  readonly #subset: Subset;
  /** what stays at its places, and the model that entered the round */
  readonly #entered: Float32Array;
  readonly #leaving: Float32Array;

  constructor(trainer: Pick<Trainer, "layout" | "paths" | "read">, told: Told) {
    this.#subset = travellingOf(trainer, told);
    const { isWhole, whole, layout } = this.#subset;
    this.#entered = new Float32Array(isWhole ? 0 : whole.length);
    this.#leaving = new Float32Array(isWhole ? 0 : layout.length);
    if (!isWhole) trainer.read(this.#entered);
  }

  /** of what travels */
  get layout(): Subset["layout"] {
    return this.#subset.layout;
  }

  /** All of the model that a round begins with here; valid until the next one. */
  enter(model: Float32Array): Float32Array {
    return this.#subset.isWhole ? model : this.#subset.lay(model, this.#entered);
  }

  /** What of an update travels; valid until the next one. */
  leave(update: Float32Array): Float32Array {
    return this.#subset.isWhole ? update : this.#subset.take(update, this.#leaving);
  }

  /** The round's work is done: what stays is as the update has it (TV3). */
  settle(update: Float32Array): void {
    this.#entered.set(update.subarray(0, this.#entered.length)); // what travels is laid over it as a round begins
  }
}
