/** `npm run bench -- SUITE [--json] [flags]`: runs one suite, or says which there are. */
import { type Figure, printTable, type Suite } from "./harness.ts";

const suites: Record<string, () => Promise<Suite>> = {
  codec: async () => (await import("./codec.ts")).codec,
  director: async () => (await import("./director.ts")).director,
  round: async () => (await import("./round.ts")).round,
};

const [name = "", ...flags] = process.argv.slice(2).filter((a) => a !== "--json");
const json = process.argv.includes("--json");
const load = Object.hasOwn(suites, name) ? suites[name] : undefined;
if (load === undefined) {
  console.error(
    `usage: npm run bench -- SUITE [--json]\nsuites: ${Object.keys(suites).join(", ")} (see bench/README.md)`,
  );
  process.exit(2);
}
const suite = await load();
const figures: Figure[] = [];
await suite.run((label, metric, value, unit) => {
  const figure = { suite: suite.name, case: label, metric, value, unit };
  figures.push(figure);
  if (json) console.log(JSON.stringify(figure));
  else console.error(`  ${label}: ${metric} ${value.toPrecision(3)} ${unit}`);
}, flags);
if (!json) printTable(figures);
process.exit(0);
