/**
 * Where a swappable part comes from, as a user writes it in one word.
 *
 *   fedavg            a part that comes with the runtime
 *   ./median.ts       a module: a path that starts with ./ or ../ or /
 *   nats:median       an actor that runs as a process of its own, anywhere on the bus
 *
 * P1 Names are subject tokens; a word that is neither a name nor a path is refused, never guessed at.
 */
import { FlError } from "../errors.ts";
import { TOKEN } from "../wire/template.ts";

export type Placement =
  | { readonly kind: "builtin"; readonly name: string }
  | { readonly kind: "module"; readonly path: string }
  | { readonly kind: "nats"; readonly name: string };

/** @throws FL_PART_UNKNOWN when `text` is none of the three forms */
export function parsePlacement(text: string): Placement {
  if (/^(\.{1,2})?\//.test(text) && !text.includes("\0")) return { kind: "module", path: text };
  if (text.startsWith("nats:")) return { kind: "nats", name: named(text.slice("nats:".length), text) };
  return { kind: "builtin", name: named(text, text) };
}

function named(name: string, text: string): string {
  if (TOKEN.test(name)) return name; // P1
  const said = text.length > 80 ? `${text.slice(0, 77)}…` : text;
  throw new FlError("FL_PART_UNKNOWN", {
    part: said,
    reason: `${JSON.stringify(said)} is no name (letters, digits, - and _), no ./path and no nats:<name>`,
  });
}

/** The far side of `parsePlacement`. */
export function showPlacement(placement: Placement): string {
  switch (placement.kind) {
    case "builtin":
      return placement.name;
    case "module":
      return placement.path;
    case "nats":
      return `nats:${placement.name}`;
  }
}
