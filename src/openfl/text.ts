/**
 * The imported plan as YAML for people: each key with where it comes from, and on top what did not come along.
 *
 * TX1 What is written reads back as the same plan (test/openfl/text.test.ts).
 */
import { Document, isMap, type Scalar } from "yaml";
import type { Finding, Imported } from "./finding.ts";

/** The plan's keys in the order in which docs/plan.md has them. */
const ORDER = [
  ...["version", "rounds", "collaborators", "quorum", "deadline", "tasks", "assigner", "stragglers", "aggregation"],
  ...["delta", "compression", "best", "engine"],
];
const WIDTH = 120;

export function planText({ plan, findings }: Imported, from: string): string {
  const rank = (key: string): number => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);
  const doc = new Document(Object.fromEntries(Object.entries(plan).sort(([a], [b]) => rank(a) - rank(b))));
  const left = findings.filter((f) => f.outcome === "none" || f.outcome === "unknown");
  const lost = left.map((f) => `  ${placeOf(f)} ${f.key}${shown(f)}: ${f.note}`);
  const head = [
    `${from} of OpenFL, as a plan here. docs/plan.md has the keys, docs/coming-from-openfl.md the way over.`,
    ...(lost.length === 0 ? [] : ["What it asks for and does not get:", ...lost]),
  ];
  doc.commentBefore = comment(head);
  if (isMap(doc.contents)) {
    for (const { key } of doc.contents.items as { key: Scalar<string> }[]) {
      const sources = new Map<string, string>(); // of a list the first item only
      for (const f of findings) {
        const name = f.key.replace(/\[\d+\]$/, "");
        if (f.outcome !== "mapped" || topOf(f.target ?? "") !== key.value || sources.has(name)) continue;
        sources.set(name, `${placeOf(f)} ${name}`);
      }
      key.commentBefore = comment([...sources.values()]);
      key.spaceBefore = sources.size > 0;
    }
  }
  return doc.toString({ lineWidth: WIDTH });
}

const topOf = (target: string): string => /^[A-Za-z]*/.exec(target)![0];

export const placeOf = ({ file, line }: Pick<Finding, "file" | "line">): string => `${file}:${line}`;

/** " = 5", in one short line. */
export function shown({ value }: Pick<Finding, "value">): string {
  const text = JSON.stringify(value);
  return ` = ${text.length > 40 ? `${text.slice(0, 37)}…` : text}`;
}

/** Lines of a comment; a key may hold anything, so nothing but the first line of it goes in. */
const comment = (lines: readonly string[]): string | null =>
  lines.length === 0 ? null : lines.map((l) => ` ${l.replace(/[\r\n\u0085\u2028\u2029].*/su, "…")}`).join("\n");
