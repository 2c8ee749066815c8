/**
 * YAML as OpenFL reads it, with the place of every value.
 *
 * Owns the reading; what the keys mean is the matter of src/openfl/keys.ts.
 * S1 Every complaint is FL_IMPORT_INVALID and starts with file:line:column.
 * S2 YAML 1.1, as PyYAML has it: `yes` and `off` are booleans, `<<` merges, `y` and `n` are text.
 * S3 A duplicate key, a second document or an unknown tag is an error, never a choice between readings.
 * S4 A small file cannot grow: 1 MiB of text, 20,000 values with aliases expanded, 40 levels.
 * S5 A value stands where its key does; one that came by an alias or a merge where that was written.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseDocument,
  visit,
  type YAMLMap,
} from "yaml";
import { FlError } from "../errors.ts";

export type Plain = string | number | boolean | null;
export type Sourced = {
  /** as the user calls it: plan/plan.yaml */
  readonly file: string;
  readonly line: number;
  readonly value: Plain | readonly Sourced[] | ReadonlyMap<string, Sourced>;
};
export type Json = Plain | Json[] | { [key: string]: Json };

const MAX_CHARS = 1 << 20;
const MAX_VALUES = 20_000;
const MAX_LEVELS = 40;
const NONE: ReadonlyMap<string, Sourced> = new Map();

export const refused = (reason: string, hint: string, cause?: unknown): FlError =>
  new FlError("FL_IMPORT_INVALID", { reason, hint }, { cause });

/** @throws FL_IMPORT_INVALID */
export function readSource(text: string, file: string): Sourced {
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (text.length > MAX_CHARS) throw refused(`${file}: larger than 1 MiB`, "is it a plan at all?"); // S4
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, version: "1.1" }); // S2
  const wrong = [...doc.errors, ...doc.warnings]; // S3
  if (wrong.length > 0) {
    const reason = wrong.map((e) => `${at(e.pos[0])} ${e.message}`).join("; "); // S1
    throw refused(reason, "mend the YAML where it says so; it must be one document without duplicate keys", wrong[0]);
  }

  const anchors = new Map<string, ParsedNode>();
  const targets = new Map<unknown, ParsedNode>();
  visit(doc, {
    Node(_, node) {
      const known = isAlias(node) ? anchors.get(node.source) : undefined;
      if (known !== undefined) targets.set(node, known);
      if (!isAlias(node) && node.anchor !== undefined) anchors.set(node.anchor, node as ParsedNode);
    },
  });

  let left = MAX_VALUES;
  const grown = (node: ParsedNode): FlError =>
    refused(`${at(node.range[0])} holds too much once aliases are expanded`, "write out what the aliases stand for");

  const follow = (node: ParsedNode): ParsedNode => {
    const found = isAlias(node) ? targets.get(node) : node;
    if (found !== undefined) return found;
    throw refused(`${at(node.range[0])} is an alias of nothing`, "write out what it stands for"); // S1
  };
  const entriesOf = (map: YAMLMap.Parsed, depth: number): Map<string, Sourced> => {
    if (--left < 0 || depth > MAX_LEVELS) throw grown(map); // S4
    const own = new Map<string, Sourced>();
    const merged: Map<string, Sourced>[] = [];
    for (const { key, value } of map.items as { key: ParsedNode; value: ParsedNode | null }[]) {
      const name = keyOf(key);
      if (name === undefined) throw refused(`${at(key.range[0])} is a key that is no word`, "give it a plain name");
      if (name === MERGE && value !== null) merged.push(...mergesOf(follow(value), depth));
      else own.set(name, convert(value, lines.linePos(key.range[0]).line, depth));
    }
    for (const more of merged) for (const [name, v] of more) if (!own.has(name)) own.set(name, v);
    return own;
  };
  const mergesOf = (source: ParsedNode, depth: number): Map<string, Sourced>[] => {
    if (--left < 0 || depth > MAX_LEVELS) throw grown(source); // S4
    if (isMap(source)) return [entriesOf(source, depth + 1)];
    if (isSeq(source)) return source.items.flatMap((item) => mergesOf(follow(item as ParsedNode), depth + 1));
    throw refused(`${at(source.range[0])} cannot be merged`, "<<: takes a map, or a list of maps");
  };
  const convert = (given: ParsedNode | null, line: number, depth: number): Sourced => {
    if (given === null) return { file, line, value: null };
    if (--left < 0 || depth > MAX_LEVELS) throw grown(given); // S4
    const node = follow(given);
    if (isMap(node)) return { file, line, value: entriesOf(node, depth + 1) };
    if (isSeq(node)) {
      const items = node.items.map((item) => {
        const n = item as ParsedNode;
        return convert(n, lines.linePos(n.range[0]).line, depth + 1);
      });
      return { file, line, value: items };
    }
    return { file, line, value: isScalar(node) ? scalarOf(node.value, node.source ?? "") : null };
  };
  return convert(doc.contents, 1, 0);
}

const MERGE = "<<";

/** undefined for a key that is a map or a list */
function keyOf(key: ParsedNode): string | undefined {
  if (!isScalar(key)) return undefined;
  if (typeof key.value === "symbol") return MERGE;
  const { value } = key;
  return typeof value === "string" ? value : (key.source ?? String(value));
}

function scalarOf(value: unknown, source: string): Plain {
  if (typeof value === "boolean" && /^[yn]$/i.test(source)) return source; // S2
  if (typeof value === "bigint") return Number(value);
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) return value as Plain;
  return source; // a date is what was written
}

/** The entries of a map; none for anything else. */
export const entriesOf = ({ value }: Sourced): ReadonlyMap<string, Sourced> => (value instanceof Map ? value : NONE);

/** The items of a list; none for anything else. */
export const itemsOf = ({ value }: Sourced): readonly Sourced[] => (Array.isArray(value) ? value : []);

/** What lies at the end of the path, if it is there. */
export function find(from: Sourced | undefined, ...path: string[]): Sourced | undefined {
  let at = from;
  for (const name of path) at = at === undefined ? undefined : entriesOf(at).get(name);
  return at;
}

export function textAt(from: Sourced | undefined, ...path: string[]): string | undefined {
  const value = find(from, ...path)?.value;
  return typeof value === "string" ? value : undefined;
}

/** As JSON; a number that JSON does not have is its YAML text. */
export function plain({ value }: Sourced): Json {
  if (value instanceof Map) return Object.fromEntries([...value].map(([k, v]) => [k, plain(v)]));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "number" && !Number.isFinite(value)) {
    return Number.isNaN(value) ? ".nan" : value > 0 ? ".inf" : "-.inf";
  }
  return value as Plain;
}
