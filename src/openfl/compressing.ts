/**
 * OpenFL's compression pipelines as chains of codecs here, and what became of their settings.
 *
 * CP1 OpenFL compresses differences alone. Without `delta_updates` its updates travel in full, so there is no compression here
 *     either (it then loses on the way down, and saves nothing).
 * CP2 STC is `stc`, SKC `topk` and `kmeans`, KC `kmeans`, EDEN `eden`. What OpenFL drops is lost; here it waits for the next update.
 */
import type { PlanInput } from "../plan/plan.ts";
import type { Facts } from "./facts.ts";
import { implied, mapped, none, unknown, type Verdict } from "./finding.ts";
import type { Reading } from "./keys.ts";
import { find, type Sourced, textAt } from "./source.ts";

type Codec = { readonly use: string; readonly [option: string]: number | string };
type Setting = {
  /** what it is if nothing is said */
  readonly usual: number;
  readonly fits: (value: unknown) => boolean;
  readonly must: string;
};
export type Compressing = {
  /** which of the pipelines that lose something is named */
  readonly pipeline: "STC" | "SKC" | "KC" | "EDEN" | undefined;
  readonly delta: boolean;
  readonly plan: PlanInput["compression"];
};

const whole =
  (least: number, most: number): Setting["fits"] =>
  (v) =>
    Number.isSafeInteger(v) && (v as number) >= least && (v as number) <= most;
const sparsity: Setting = {
  usual: 0.1,
  fits: (v) => typeof v === "number" && v > 0 && v <= 1,
  must: "must be above 0 and at most 1",
};
const clusters: Setting = { usual: 6, fits: whole(2, 256), must: "must be a whole number from 2 to 256" };
const bits: Setting = { usual: 8, fits: whole(1, 8), must: "must be a whole number from 1 to 8" };
const threshold: Setting = { usual: 100, fits: whole(0, 2 ** 31 - 1), must: "must be a whole number from 0" };
const settings: Readonly<Record<string, Readonly<Record<string, Setting>>>> = {
  STC: { p_sparsity: sparsity },
  SKC: { p_sparsity: sparsity, n_clusters: clusters },
  KC: { n_clusters: clusters },
  EDEN: { n_bits: bits, dim_threshold: threshold },
};
const names: Readonly<Record<string, NonNullable<Compressing["pipeline"]>>> = {
  ...{ STCPipeline: "STC", SKCPipeline: "SKC", KCPipeline: "KC", EdenPipeline: "EDEN" },
};

const truthy = (node: Sourced | undefined): boolean => node?.value === true;

export function compressingOf(plan: Sourced): Compressing {
  const template = textAt(plan, "compression_pipeline", "template") ?? "";
  const name = template.slice(template.lastIndexOf(".") + 1);
  const pipeline = Object.hasOwn(names, name) ? names[name] : undefined;
  const delta = ["delta_updates", "use_delta_updates"].some((key) =>
    truthy(find(plan, "collaborator", "settings", key)),
  );
  if (pipeline === undefined || !delta) return { pipeline, delta, plan: undefined };
  const of = (key: string): number => {
    const { usual, fits } = settings[pipeline]![key]!;
    const given = find(plan, "compression_pipeline", "settings", key)?.value;
    return fits(given) ? (given as number) : usual;
  };
  const chains: Readonly<Record<typeof pipeline, () => Codec[]>> = {
    STC: () => [{ use: "stc", fraction: of("p_sparsity") }],
    SKC: () => [
      { use: "topk", fraction: of("p_sparsity") },
      { use: "kmeans", clusters: of("n_clusters") },
    ],
    KC: () => [{ use: "kmeans", clusters: of("n_clusters") }],
    EDEN: () => [{ use: "eden", bits: of("n_bits") }],
  };
  const up = chains[pipeline](); // and down, as in OpenFL
  // OpenFL compresses what has more elements than its threshold
  const exactBelow = pipeline === "EDEN" ? { exactBelow: of("dim_threshold") + 1 } : {};
  return { pipeline, delta, plan: { up, down: up, ...exactBelow } };
}

const nothing = implied("OpenFL compresses differences alone, and this plan sends full weights: nothing is compressed");

/** The template, and the settings that it takes. */
export const pipeline: Reading = (_node, _path, facts) => verdict(facts);

export const pipelineSetting: Reading = (node, path, facts) => {
  const { pipeline: own } = facts.compressing;
  if (own === undefined) return none("goes with its pipeline");
  const key = String(path.at(-1));
  if (key === "device" && own === "EDEN") return implied("compressed where the tensors are");
  const setting = Object.hasOwn(settings[own]!, key) ? settings[own]![key] : undefined;
  if (setting === undefined) return unknown("this pipeline has no such setting");
  return setting.fits(node.value) ? verdict(facts) : unknown(`${setting.must}; ${setting.usual} in its place`);
};

function verdict({ compressing: { pipeline: own, plan } }: Facts): Verdict | undefined {
  if (own === undefined) return undefined;
  return plan === undefined ? nothing : mapped("compression", "applied to differences, on both sides alike");
}
