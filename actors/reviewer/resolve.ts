/** From a configuration's `review` to a reviewer: built in, or a module on this machine. */
import { FlError } from "../../src/errors.ts";
import { nearest } from "../../src/nearest.ts";
import { loadModule } from "../../src/parts/module.ts";
import { parsePlacement } from "../../src/parts/placement.ts";
import { checkReviewer, type Reviewer, type ReviewerPart } from "../../src/parts/reviewer.ts";
import { reviewers } from "./builtin.ts";
import type { ReviewConfig } from "./config.ts";
import type { Docket } from "./docket.ts";

/** @throws FL_PART_UNKNOWN, FL_PART_FAILED when the module is no reviewer or the options are not its own */
export async function resolveReviewer(
  { use, options, from }: Pick<ReviewConfig, "use" | "options" | "from">,
  docket: Docket,
): Promise<Reviewer> {
  return (await partOf(use, from, docket)).create(options);
}

async function partOf(use: string, from: string | undefined, docket: Docket): Promise<ReviewerPart> {
  const placement = parsePlacement(use);
  switch (placement.kind) {
    case "builtin": {
      const make = Object.hasOwn(reviewers, placement.name) ? reviewers[placement.name] : undefined;
      if (make !== undefined) return make(docket);
      const names = Object.keys(reviewers);
      const near = nearest(placement.name, names);
      const hint = near === undefined ? `there are: ${names.join(", ")}` : `did you mean ${near}?`;
      throw new FlError("FL_PART_UNKNOWN", { part: use, reason: `no reviewer is named ${placement.name}; ${hint}` });
    }
    case "module":
      return checkReviewer(await loadModule(placement.path, from === undefined ? {} : { from }), use);
    case "nats":
      throw new FlError("FL_PART_UNKNOWN", {
        part: use,
        reason: "a reviewer is local by nature: use auto, prompt or a module path",
      });
  }
}
