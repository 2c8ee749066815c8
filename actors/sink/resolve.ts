/**
 * From a sink, as a user writes it, to the part: `csv=metrics.csv`, `tensorboard=runs`, `./webhook.ts=https://…`.
 *
 * RS1 What stands before the first `=` is a built-in name or a module's path, what stands behind it is the sink's target. In it
 *     `{experiment}` stands for the experiment's name.
 */
import { FlError } from "../../src/errors.ts";
import { nearest } from "../../src/nearest.ts";
import { loadModule } from "../../src/parts/module.ts";
import { parsePlacement } from "../../src/parts/placement.ts";
import { defineSink, type Sink, type SinkSpec } from "../../src/parts/sink.ts";
import { sinks } from "./builtin.ts";

/** A sink and where it is to write. */
export type PlacedSink = {
  /** as the user wrote it */
  readonly text: string;
  readonly sink: Sink;
  readonly target: string;
};

/** A module's relative path starts from the folder `from`. @throws FL_PART_UNKNOWN, FL_PART_FAILED, FL_USAGE without its target */
export async function resolveSink(text: string, from = "."): Promise<PlacedSink> {
  const [use, target] = split(text);
  const sink = await resolved(use, from);
  if (sink.target !== undefined && target === "") {
    throw new FlError("FL_USAGE", { reason: `sink ${use} needs a target: ${use}=${sink.target}`, sink: text });
  }
  return { text, sink, target };
}

/** The name before the `=` and the target behind it. */
export function split(text: string): [use: string, target: string] {
  const at = text.indexOf("=");
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

async function resolved(use: string, from: string): Promise<Sink> {
  const placement = parsePlacement(use);
  switch (placement.kind) {
    case "builtin": {
      const sink = Object.hasOwn(sinks, placement.name) ? sinks[placement.name] : undefined;
      if (sink !== undefined) return sink;
      const names = Object.keys(sinks);
      const near = nearest(placement.name, names);
      const hint = near === undefined ? `there are: ${names.join(", ")}` : `did you mean ${near}?`;
      const reason = `no metric sink is named ${placement.name}; ${hint}`;
      throw new FlError("FL_PART_UNKNOWN", { part: use, reason });
    }
    case "module":
      return defineSink((await loadModule(placement.path, { from })) as SinkSpec);
    case "nats": {
      const reason = "a sink runs where it writes: use a built-in name or a module path";
      throw new FlError("FL_PART_UNKNOWN", { part: use, reason });
    }
  }
}
