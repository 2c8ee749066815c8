/**
 * A round waits for its slower half as long again as its faster half took.
 *
 * In the plan:
 *   quorum: 50%
 *   stragglers: ./as-long-again.ts
 */
import { defineStragglers, z } from "entente";

export default defineStragglers({
  name: "as-long-again",
  options: z.strictObject({ leastMs: z.number().positive().default(1_000) }),
  decide({ asked, answered, elapsedMs }, { leastMs }) {
    const median = answered[Math.ceil(asked.length / 2) - 1];
    if (median === undefined) return false; // the faster half is not in yet
    const patience = Math.max(leastMs, 2 * median.afterMs);
    return elapsedMs >= patience || patience;
  },
});
