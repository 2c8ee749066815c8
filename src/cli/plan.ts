/**
 * `entente plan check PLAN`: everything that can be known before round 1.
 *
 * PC1 Nothing is submitted and nothing is changed. The status is 1 if any check fails, also where only a machine reads along.
 */
import { Argument } from "commander";
import { type Check, preflight } from "../client/preflight.ts";
import { asFlError } from "../errors.ts";
import { explain } from "../plan/explain.ts";
import { loadWritten } from "../plan/load.ts";
import { planDigest } from "../plan/plan.ts";
import type { Console } from "./console.ts";
import { findPlace, type OwnerOptions, withFederation, withOwner } from "./place.ts";
import { table } from "./table.ts";
import type { Verb } from "./verb.ts";

type PlanOptions = OwnerOptions & { workspace?: string; explain?: boolean };

export const plan: Verb = (program, action) =>
  withOwner(
    program.command("plan").description("Check a plan before its first round, or say where its values come from."),
  )
    .addArgument(new Argument("<verb>", "what to do with it").choices(["check"]))
    .addArgument(new Argument("<plan>", "the plan's file"))
    .option("--workspace <path>", "the workspace's source; default: the plan's")
    .option("--explain", "print the resolved plan, with the origin of every value")
    .action(
      action<PlanOptions, [string, string]>(async ({ workspace, explain: asked, ...place }, out, _verb, planFile) => {
        const written = await loadWritten(planFile);
        if (asked) {
          showOrigins(out, written);
          return 0;
        }
        const source = { planFile, workspace };
        const work = async (federation?: Parameters<typeof preflight>[2]): Promise<boolean> => {
          let good = true;
          for await (const check of preflight(written.plan, source, federation)) {
            show(out, check);
            good &&= check.holds !== false;
          }
          return good;
        };
        const good = (await isSomewhere(place)) ? await withFederation(place, work) : await work();
        return good ? 0 : 1; // PC1
      }),
    );

/** Without a federation that runs here or is named, the plan is checked alone. */
async function isSomewhere(place: OwnerOptions): Promise<boolean> {
  try {
    await findPlace(place);
    return true;
  } catch (e) {
    if (asFlError(e).code === "FL_NOT_RUNNING") return false;
    throw e;
  }
}

function show(out: Console, { check, holds, detail, code }: Check): void {
  out.emit("check", { check, holds, detail, code });
  const mark = holds === null ? out.paint.dim("?") : holds ? "✓" : out.paint.red("✗");
  out.say(`${mark} ${check.padEnd(14)}${code === null ? "" : `${code}  `}${detail}`);
}

function showOrigins(out: Console, written: Awaited<ReturnType<typeof loadWritten>>): void {
  const origins = explain(written);
  for (const origin of origins) out.emit("value", { ...origin, value: origin.value as never });
  const rows = origins.map(({ path, value, from, line }) => [
    path,
    typeof value === "string" ? value : JSON.stringify(value),
    from === "file" ? `line ${line}` : "default",
  ]);
  for (const line of table([{ head: "key" }, { head: "value" }, { head: "from" }], rows, out.paint.dim)) out.say(line);
  out.emit("digest", { plan: planDigest(written.plan) });
  out.say();
  out.say(`digest  ${planDigest(written.plan)}`);
}
