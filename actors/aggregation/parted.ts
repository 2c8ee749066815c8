/**
 * Several rules in one round, each for the tensors that the plan names for it; the plan's own rule has the rest.
 *
 * PT1 A tensor belongs to the first rule with a pattern that matches its name; what an optimizer remembers of a tensor goes with
 *     it. A pattern that matches nothing, and a rule that others leave nothing, is FL_PLAN_INVALID when the first round begins.
 * PT2 An update is checked before any rule sees it, so one that is out of range is refused without a trace (G2). Should a rule
 *     refuse what others have taken, the round cannot be finished: FL_PART_FAILED, never a model of unequal halves.
 * PT3 Memory is O(model) beside that of the rules: their parts of the model, and of each update under way (G3).
 */
import { FlError } from "../../src/errors.ts";
import type { Aggregation, AggregationRound } from "../../src/parts/aggregation.ts";
import { checkValues, checkWeight, type Update } from "../../src/parts/update.ts";
import type { Layout } from "../../src/tensor/layout.ts";
import { matches } from "../../src/tensor/pattern.ts";
import { ownerOf } from "../../src/tensor/slots.ts";
import { Subset } from "../../src/tensor/subset.ts";

/** The last one has no names: it takes what is left. */
export type Rule = { readonly aggregation: Aggregation; readonly names: readonly string[] | undefined };

type Share = {
  readonly aggregation: Aggregation;
  readonly subset: Subset;
  readonly global: Float32Array;
  readonly out: Float32Array;
};

/** For each rule its tensors; undefined for one that takes what is left, if nothing is. @throws FL_PLAN_INVALID (PT1) */
export function sharesOf(layout: Layout, rules: readonly (readonly string[] | undefined)[]): (Subset | undefined)[] {
  const matching = (names: readonly string[], name: string): boolean =>
    names.some((pattern) => matches(pattern, name) || matches(pattern, ownerOf(name) ?? name));
  const owner = layout.tensors.map(({ name }) =>
    rules.findIndex((names) => names === undefined || matching(names, name)),
  );
  return rules.map((names, k) => {
    const moot = names?.find((pattern) => !layout.tensors.some(({ name }) => matching([pattern], name)));
    const left = owner.includes(k);
    if (moot === undefined && (left || names === undefined))
      return left ? new Subset(layout, (_, i) => owner[i] === k) : undefined;
    const what = moot === undefined ? "matches only what earlier ones do" : `: ${moot} matches no tensor`;
    const has = layout.tensors.map(({ name }) => name).join(", ");
    const reason = `aggregation.tensors[${k}].names${moot === undefined ? " " : ""}${what}; the model has ${has}`;
    throw new FlError("FL_PLAN_INVALID", { reason });
  });
}

export class PartedAggregation implements Aggregation {
  readonly #rules: readonly Rule[];
  #layout: Layout | undefined;
  #shares: readonly Share[] = [];
  #round: AggregationRound | undefined;
  #broken: FlError | undefined;
  #spare: Float32Array[] = [];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
  }

  get history(): boolean {
    return this.#rules.some(({ aggregation }) => aggregation.history === true);
  }

  get waitingFor(): string | null {
    return this.#rules.map(({ aggregation }) => aggregation.waitingFor ?? null).find((name) => name !== null) ?? null;
  }

  async begin(round: AggregationRound): Promise<void> {
    if (this.#layout?.digest !== round.layout.digest) this.#share(round.layout);
    this.#round = round;
    this.#broken = undefined;
    await Promise.all(
      this.#shares.map(({ aggregation, subset, global }) =>
        aggregation.begin({ ...round, layout: subset.layout, global: subset.take(round.global, global) }),
      ),
    );
  }

  #share(layout: Layout): void {
    const subsets = sharesOf(
      layout,
      this.#rules.map((rule) => rule.names),
    );
    this.#shares = this.#rules.flatMap(({ aggregation }, i) => {
      const subset = subsets[i];
      if (subset === undefined) return [];
      const { length } = subset.layout;
      return [{ aggregation, subset, global: new Float32Array(length), out: new Float32Array(length) }];
    });
    this.#layout = layout;
    this.#spare = [];
  }

  async accept(update: Update): Promise<void> {
    const { layout, weightBound } = this.#begun();
    checkWeight(update.weight, weightBound);
    await checkValues(update.values, layout.length); // PT2
    const parts = this.#spare.pop() ?? new Float32Array(layout.length);
    try {
      let at = 0;
      for (const [i, { aggregation, subset }] of this.#shares.entries()) {
        const values = subset.take(update.values, parts.subarray(at, at + subset.layout.length));
        at += subset.layout.length;
        try {
          await aggregation.accept({ ...update, values });
        } catch (e) {
          if (i > 0 && !(e instanceof FlError && e.code === "FL_PART_LOST")) this.#broken ??= halved(update, e);
          throw e;
        }
      }
    } finally {
      this.#spare.push(parts);
    }
  }

  async finish(out: Float32Array): Promise<void> {
    this.#begun();
    if (this.#broken !== undefined) throw this.#broken; // PT2
    await Promise.all(this.#shares.map((share) => share.aggregation.finish(share.out)));
    for (const share of this.#shares) share.subset.lay(share.out, out);
  }

  /** What of the rules lasts, one after the other, each behind its size; there only if any has something. */
  get save(): (() => Uint8Array) | undefined {
    if (!this.#rules.some(({ aggregation }) => aggregation.save !== undefined)) return undefined;
    return () => {
      const states = this.#rules.map(({ aggregation }) => aggregation.save?.());
      return Buffer.concat(
        states.flatMap((state) => {
          const size = Buffer.alloc(8);
          size.writeDoubleLE(state?.length ?? -1);
          return state === undefined ? [size] : [size, state];
        }),
      );
    };
  }

  restore(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    for (const { aggregation } of this.#rules) {
      const size = view.getFloat64(at, true);
      at += 8;
      if (size < 0) continue;
      aggregation.restore?.(bytes.slice(at, at + size));
      at += size;
    }
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#rules.map(({ aggregation }) => aggregation.dispose?.()));
  }

  #begun(): AggregationRound {
    if (this.#round === undefined) throw new FlError("FL_STATE", { reason: "no round has begun" });
    return this.#round;
  }
}

function halved({ collaborator }: Update, e: unknown): FlError {
  const said = e instanceof Error ? e.message : String(e);
  const reason = `one aggregation refused an update of ${collaborator} that others had taken: ${said}`;
  return new FlError("FL_PART_FAILED", { reason }, { cause: e });
}
