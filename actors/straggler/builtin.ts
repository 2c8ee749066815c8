/**
 * The straggler policies a plan can name without a path; src/plan/stragglers.ts has their names and options. A user's is a
 * module.
 *
 *   deadline     waits for everybody; at the plan's deadline the quorum decides
 *   cutoff       waits for everybody until a time; from then on the quorum is enough, whenever it is reached
 *   quorum       the quorum is enough at once
 *   percentage   enough once a share of those asked has answered, and the quorum is in
 */
import { defineStragglers, type StragglerPart } from "../../src/parts/straggler.ts";
import { percent } from "../../src/plan/forms.ts";
import { cutoffOptions, percentageOptions } from "../../src/plan/stragglers.ts";

const deadline = defineStragglers({ name: "deadline", decide: () => false });

const cutoff = defineStragglers({
  name: "cutoff",
  options: cutoffOptions,
  decide: ({ elapsedMs }, { after }) => elapsedMs >= after || after,
});

const quorum = defineStragglers({ name: "quorum", decide: () => true });

const percentage = defineStragglers({
  name: "percentage",
  options: percentageOptions,
  decide: ({ asked, answered }, { share }) => answered.length * 100 >= percent(share)! * asked.length,
});

export const policies: Readonly<Record<string, StragglerPart>> = { deadline, cutoff, quorum, percentage };
