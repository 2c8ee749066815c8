/** Models of rounds that outlast their round, by its number (src/plan/checkpoints.ts). */
import { FlError } from "../errors.ts";
import { keptObject } from "../wire/table.ts";

/** The name of a round's model in the store of models. @throws FL_NOT_FOUND for one that is not kept */
export function keptIn(exp: string, kept: readonly number[], round: number | undefined): string {
  if (round !== undefined && kept.includes(round)) return keptObject(exp, round);
  const keeps = kept.length === 0 ? "none" : kept.join(", ");
  throw new FlError("FL_NOT_FOUND", { reason: `${exp} keeps no model of round ${round}; it keeps ${keeps}` });
}
