/**
 * `entente import openfl PLAN`: OpenFL's plan as a plan here, and what became of every value in it.
 *
 * IM1 Without --out the plan is the answer, on stdout, and the report goes to stderr; with it the report is the answer.
 * IM2 A file that is there already is never written over.
 */
import { writeFile } from "node:fs/promises";
import { Argument } from "commander";
import { FlError } from "../errors.ts";
import { readFiles } from "../openfl/files.ts";
import { type Finding, type Outcome, outcomes } from "../openfl/finding.ts";
import { importPlan } from "../openfl/import.ts";
import { placeOf, planText, shown } from "../openfl/text.ts";
import type { Console } from "./console.ts";
import { shortest } from "./figures.ts";
import { table } from "./table.ts";
import type { Verb } from "./verb.ts";

type ImportOptions = { out?: string; defaults?: string };

export const importVerb: Verb = (program, action) =>
  program
    .command("import")
    .description("Turn another system's plan into a plan here, and say what became of each line.")
    .addArgument(new Argument("<from>", "whose plan it is").choices(["openfl"]))
    .addArgument(new Argument("<plan>", "its plan.yaml; cols.yaml and data.yaml are found beside it"))
    .option("--out <file>", "write the plan there; default: stdout")
    .option("--defaults <dir>", "folder for files of defaults that the plan's own workspace does not have")
    .action(
      action<ImportOptions, [string, string]>(async ({ out: file, defaults }, out, _from, planFile) => {
        const files = await readFiles(planFile, defaults);
        const imported = importPlan(files);
        const text = planText(imported, files.plan.name);
        if (file !== undefined) await keep(file, text);
        for (const { file, line, key, value, outcome, target, note } of imported.findings)
          out.emit("finding", { file, line, key, value, outcome, target, note });
        const counts = countsOf(imported.findings);
        out.emit("imported", { plan: { ...imported.plan }, file: file ?? null, ...counts });
        if (file === undefined) for (const line of text.trimEnd().split("\n")) out.say(line); // IM1
        const told = (line: string): void => (file === undefined ? out.aside(line) : out.say(line));
        for (const line of reportOf(out, imported.findings)) told(line);
        told("");
        told(
          `${Object.entries(counts)
            .map(([word, n]) => `${n} ${word}`)
            .join(", ")}.`,
        );
        if (file !== undefined)
          told(`The plan is ${shortest(file)}. Next: write its workspace (docs/coming-from-openfl.md).`);
        return 0;
      }),
    );

/** @throws FL_EXISTS (IM2) */
async function keep(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: "wx" });
  } catch (e) {
    const taken = e instanceof Error && "code" in e && e.code === "EEXIST";
    if (taken) throw new FlError("FL_EXISTS", { reason: file, hint: "name another --out, or move it away first" });
    const reason = `--out ${file} cannot be written: ${e instanceof Error ? e.message : String(e)}`;
    throw new FlError("FL_USAGE", { reason }, { cause: e });
  }
}

function countsOf(findings: readonly Finding[]): Record<Outcome, number> {
  const counts = Object.fromEntries(Object.keys(outcomes).map((word) => [word, 0])) as Record<Outcome, number>;
  for (const { outcome } of findings) counts[outcome]++;
  return counts;
}

function reportOf(out: Console, findings: readonly Finding[]): string[] {
  const rows = findings.map((f) => {
    const loud = f.outcome === "none" || f.outcome === "unknown";
    const word = loud ? out.paint.bold(f.outcome) : f.outcome;
    const said = f.target === null ? f.note : `${f.target}: ${f.note}`;
    return [placeOf(f), `${f.key}${shown(f)}`, word, said];
  });
  return table([{ head: "where" }, { head: "OpenFL" }, { head: "" }, { head: "here" }], rows, out.paint.dim);
}
