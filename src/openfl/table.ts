/** The key table of docs/coming-from-openfl.md, made from src/openfl/keys.ts, so that the page cannot disagree with the code. */
import { outcomes, type Verdict } from "./finding.ts";
import { colsKeys, planKeys, type Row } from "./keys.ts";

/** Markdown, as it stands between the markers of the page. */
export function keysTable(): string {
  const words = Object.entries(outcomes).map(([word, says]) => `- **${word}**: ${says}.`);
  const rows = [...planKeys.map((r) => rowOf(r, r.key)), ...colsKeys.map((r) => rowOf(r, `${r.key}\` in \`cols.yaml`))];
  const data = `| \`NAME,PATH\` in \`data.yaml\` | renamed: \`entente envoy --params\`; told to the shard, at its site |`;
  return [...words, "", "| OpenFL | here |", "|---|---|", ...rows, data].join("\n");
}

function rowOf({ cases = {}, otherwise }: Row, key: string): string {
  const said = Object.entries(cases).map(([value, verdict]) => `\`${value === "" ? '""' : value}\` ${saying(verdict)}`);
  const rest = saying(otherwise);
  return `| \`${key}\` | ${[...said, said.length === 0 ? rest : `else ${rest}`].join("<br>")} |`;
}

function saying({ outcome, target, value, note }: Verdict): string {
  const at = target === undefined ? "" : ` \`${target}${value === undefined ? "" : `: ${value}`}\``;
  return `${outcome}${outcome === "mapped" || outcome === "renamed" ? ":" : ""}${at}; ${note}`;
}
