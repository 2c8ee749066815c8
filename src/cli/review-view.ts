/** What is to be decided about, as people read it. */
import { stringify } from "yaml";
import type { ArchiveEntry, PendingReview } from "../wire/messages.ts";
import type { Paint } from "./console.ts";
import { ago, bytes } from "./figures.ts";
import { table } from "./table.ts";

/** who, what, where, by which digests, and each file */
export function reviewLines(
  { paint }: { readonly paint: Pick<Paint, "bold" | "dim"> },
  review: PendingReview,
  plan: Readonly<Record<string, unknown>>,
  listing: readonly ArchiveEntry[],
): string[] {
  const { experiment, owner, collaborators, dependencies, plan_digest, archive_digest } = review;
  const needs = Object.entries(dependencies).map(([name, spec]) => `${name} ${spec}`);
  const lines = [`${paint.bold(experiment)}  by ${owner}`];
  const field = (label: string, text: string): void => {
    lines.push(`  ${label.padEnd(10)} ${text}`);
  };
  field("would run", `on ${collaborators.join(", ")}`);
  field("plan", `${String(plan.rounds)} rounds, SHA-256 ${plan_digest}`);
  field("archive", `${review.files} files, ${bytes(review.bytes)}, SHA-256 ${archive_digest}`);
  field("needs", needs.length === 0 ? "nothing beside its files" : `packages ${needs.join(", ")}`);
  const rows = listing.map((file, i) => [
    String(i + 1),
    file.path,
    bytes(file.bytes),
    file.text ? file.digest : `${file.digest}  not text`,
  ]);
  const columns = [{ head: "", align: "right" as const }, { head: "file" }, { head: "size", align: "right" as const }];
  return [...lines, ...table([...columns, { head: "SHA-256" }], rows, paint.dim).map((line) => `  ${line}`)];
}

/** The plan with every default filled in, as YAML. */
export const planLines = (plan: Readonly<Record<string, unknown>>): string[] => stringify(plan).trimEnd().split("\n");

/** A source with its line numbers. */
export function sourceLines(text: string, dim: (text: string) => string): string[] {
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/);
  const width = String(lines.length).length;
  return lines.map((line, i) => `${dim(String(i + 1).padStart(width))}  ${line}`);
}

/** One line of a list. */
export const pendingRow = (review: PendingReview, now: number): string[] => [
  review.experiment,
  review.owner,
  ago(review.since, now),
  String(review.files),
  bytes(review.bytes),
  Object.keys(review.dependencies).join(", "),
  review.archive_digest.slice(0, 12),
];
