/**
 * What a closed round's metrics decide: the best model so far, the plateau, and whether it is time to stop.
 *
 * RT1 A metric of the global model rates the model that entered the round, so that one is the best, not the one that came out.
 */
import { type Plan, ratedRound } from "../../src/plan/plan.ts";
import { isBetter, isTimeToStop, type Plateau, plateauAfter } from "../../src/plan/rating.ts";
import type { Scored } from "../../src/wire/messages.ts";
import type { Checkpoint } from "./machine.ts";

export type Rated = { readonly best: Scored | null; readonly plateau: Plateau | null; readonly stop: boolean };

export function rated(plan: Plan, checkpoint: Checkpoint, metrics: Readonly<Record<string, number>>): Rated {
  const best = scored(plan, checkpoint, metrics);
  const { stop } = plan;
  if (stop === undefined) return { best, plateau: null, stop: false };
  const value = metrics[stop.metric];
  const plateau = plateauAfter(stop, checkpoint.plateau, value);
  return { best, plateau, stop: isTimeToStop(stop, plateau, value) };
}

function scored(
  { best, ...plan }: Plan,
  checkpoint: Checkpoint,
  metrics: Readonly<Record<string, number>>,
): Scored | null {
  if (best === null || checkpoint.round === 0 || checkpoint.model === null) return checkpoint.best;
  const value = metrics[best.metric];
  if (value === undefined || Number.isNaN(value) || ratedRound(plan, best.metric, 1) !== 0) return checkpoint.best; // RT1
  const before = checkpoint.best?.value;
  if (before !== undefined && !isBetter(best.mode, value, before)) return checkpoint.best;
  return { round: checkpoint.trained, metric: best.metric, value, model: checkpoint.model };
}
