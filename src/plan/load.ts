/** Plans from YAML. src/yaml.ts owns the YAML and the place of every mistake; src/plan/plan.ts owns what a plan is. */
import { parseYaml, readYaml, type Written } from "../yaml.ts";
import { type Plan, parsePlan } from "./plan.ts";

/** A plan, what of it was written, and where. */
export type WrittenPlan = {
  readonly plan: Plan;
  /** the file's content as plain values */
  readonly written: unknown;
  /** `line:column` of the value at a path, or of the nearest value around it */
  readonly where: Written["where"];
};

/** @throws FL_PLAN_INVALID for what is no plan or cannot be read */
export const loadPlan = async (file: string): Promise<Plan> => (await loadWritten(file)).plan;

/** The same, with what `explain` needs. @throws FL_PLAN_INVALID */
export const loadWritten = async (file: string): Promise<WrittenPlan> =>
  planIn(await readYaml(file, "FL_PLAN_INVALID"), file);

/** @throws FL_PLAN_INVALID; `file` is only named in what it says */
export const readPlan = (text: string, file = "plan"): Plan => readWritten(text, file).plan;

/** @throws FL_PLAN_INVALID */
export const readWritten = (text: string, file = "plan"): WrittenPlan =>
  planIn(parseYaml(text, file, "FL_PLAN_INVALID"), file);

const planIn = ({ value, where }: Written, file: string): WrittenPlan => ({
  ...{ plan: parsePlan(value, file, where), written: value, where },
});
