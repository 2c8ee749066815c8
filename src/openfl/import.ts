/**
 * OpenFL's plan as a plan here, and what became of every value in it.
 *
 * Pure: texts in, plan and findings out; src/openfl/files.ts reads the files.
 * I1 The plan passes `parsePlan`, whatever OpenFL's says; without rounds there is none, and that is FL_IMPORT_INVALID.
 * I2 Findings come in the order of the plan, then of the files of defaults, then cols.yaml and data.yaml.
 */
import { isDeepStrictEqual } from "node:util";
import { nearest } from "../nearest.ts";
import { type PlanInput, parsePlan } from "../plan/plan.ts";
import { dotted } from "../validate.ts";
import { withDefaults } from "./defaults.ts";
import { type Facts, factsOf, lastOf, planOf } from "./facts.ts";
import { type Finding, type Imported, none, renamed, unknown, type Verdict } from "./finding.ts";
import { colsKeys, type Path, planKeys, type Row } from "./keys.ts";
import { entriesOf, find, itemsOf, plain, readSource, refused, type Sourced } from "./source.ts";

export type File = { readonly name: string; readonly text: string };
export type Files = {
  readonly plan: File;
  /** by the path that the plan gives */
  readonly defaults?: ReadonlyMap<string, File>;
  readonly cols?: File | undefined;
  readonly data?: File | undefined;
};

/** @throws FL_IMPORT_INVALID */
export function importPlan({ plan: given, defaults = new Map(), cols, data }: Files): Imported {
  const written = readSource(given.text, given.name);
  if (!(written.value instanceof Map)) throw refused(`${given.name}: it must be a map of sections`, ROUNDS);
  const below = new Map([...defaults].map(([path, { text, name }]) => [path, readSource(text, name)]));
  const plan = withDefaults(written, below);
  const listed = cols === undefined ? undefined : readSource(cols.text, cols.name);
  const facts = factsOf(plan, listed);
  if (find(plan, "aggregator", "settings", "rounds_to_train") === undefined)
    throw refused(`${given.name}: aggregator.settings.rounds_to_train is missing`, ROUNDS); // I1
  const target: Record<string, unknown> = { version: 1, ...planOf(facts) };
  const findings: Finding[] = [];
  const found = (node: Sourced, key: string, verdict: Verdict): void => {
    const taken = verdict.value === undefined || place(target, verdict.target!, verdict.value);
    const { outcome, target: to = null, note } = taken ? verdict : none(`an earlier key has settled ${verdict.target}`);
    findings.push({ file: node.file, line: node.line, key, value: plain(node), outcome, target: to, note });
  };
  walk(plan, [], planKeys, facts, found);
  if (listed !== undefined) walk(listed, [], colsKeys, facts, found);
  if (data !== undefined) readData(data, facts, found);
  const order = [given.name, ...[...below.values()].map((f) => f.file), cols?.name, data?.name];
  const rank = new Map([...new Set(order)].map((name, i) => [name, i]));
  findings.sort((a, b) => rank.get(a.file)! - rank.get(b.file)! || a.line - b.line); // I2
  parsePlan(target, "the plan that was made"); // I1
  return { plan: target as PlanInput, findings };
}

const ROUNDS = "name the plan.yaml of an OpenFL workspace; one without rounds_to_train does not run there either";

type Found = (node: Sourced, key: string, verdict: Verdict) => void;

function walk(node: Sourced, path: Path, rows: readonly Row[], facts: Facts, found: Found): void {
  const inside = childrenOf(node);
  if (inside.length > 0 && (path.length === 0 || goesDeeper(rows, path))) {
    for (const [step, child] of inside) walk(child, [...path, step], rows, facts, found);
    return;
  }
  const row = rows.find((r) => fits(r, path, path.length) && segmentsOf(r).length === path.length);
  if (row !== undefined) found(node, dotted(path), verdictOf(row, node, path, facts));
  else if (!goesDeeper(rows, path)) found(node, dotted(path), strange(rows, path));
  else if (!isEmpty(node)) found(node, dotted(path), unknown("must hold keys of its own"));
}

const childrenOf = (node: Sourced): [string | number, Sourced][] =>
  node.value instanceof Map ? [...entriesOf(node)] : [...itemsOf(node).entries()];

/** Nothing was said: `settings:` and `settings: {}`. */
const isEmpty = ({ value }: Sourced): boolean => value === null || typeof value === "object";

function verdictOf({ reading, cases, otherwise }: Row, node: Sourced, path: Path, facts: Facts): Verdict {
  const read = reading?.(node, path, facts);
  if (read !== undefined) return read;
  const { value } = node;
  const name = path.at(-1) === "template" ? lastOf(value) : String(value);
  return (cases !== undefined && Object.hasOwn(cases, name) ? cases[name] : undefined) ?? otherwise;
}

const segments = new Map<Row, readonly string[]>();
function segmentsOf(row: Row): readonly string[] {
  const known = segments.get(row) ?? row.key.replaceAll("[]", ".[]").split(".");
  segments.set(row, known);
  return known;
}

/** Do the row's first `n` segments fit the path's? */
function fits(row: Row, path: Path, n: number): boolean {
  const all = segmentsOf(row);
  return (
    all.length >= n &&
    path
      .slice(0, n)
      .every((step, i) => (typeof step === "number" ? all[i] === "[]" : all[i] === "*" || all[i] === step))
  );
}

/** Does a row say more about what is inside? A section is known by its own name only. */
const goesDeeper = (rows: readonly Row[], path: Path): boolean =>
  rows.some((r) => segmentsOf(r).length > path.length && segmentsOf(r)[0] === path[0] && fits(r, path, path.length));

function strange(rows: readonly Row[], path: Path): Verdict {
  const depth = path.length - 1;
  const here = rows.filter((r) => fits(r, path, depth)).map((r) => segmentsOf(r)[depth]);
  const known = [...new Set(here)].filter((name) => name !== undefined && name !== "*" && name !== "[]") as string[];
  const near = nearest(String(path.at(-1)), known);
  const hint = near === undefined ? known.join(", ") : `did you mean ${near}?`;
  return unknown(`OpenFL has no such key here${hint === "" ? "" : ` (${hint})`}`);
}

/** Writes it, best.metric and engine.device in a map of their own; false where the plan says something else already. */
function place(plan: Record<string, unknown>, target: string, value: unknown): boolean {
  const [top, inner] = target.split(".") as [string, string?];
  const written = inner === undefined ? value : { [inner]: value };
  plan[top] ??= written;
  return isDeepStrictEqual(plan[top], written);
}

/** data.yaml is no YAML: a line is a collaborator, a comma and a path; # begins a remark. */
function readData({ name: file, text }: File, facts: Facts, found: Found): void {
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trimEnd();
    if (line === "" || line.startsWith("#")) continue;
    const comma = line.indexOf(",");
    const [name, path] = comma < 0 ? [line, ""] : [line.slice(0, comma), line.slice(comma + 1)];
    const here = facts.names.get(name);
    const node: Sourced = { file, line: i + 1, value: path };
    if (comma < 0) found(node, name, unknown("must be a collaborator, a comma and a path"));
    else if (here === undefined && facts.names.size > 0) found(node, name, unknown("no collaborator has this name"));
    else found(node, name, dataAt(here ?? name));
  }
}

const dataAt = (envoy: string): Verdict =>
  renamed("entente envoy --params", `where the data lies is told to the shard of the envoy ${envoy}, at its site`);
