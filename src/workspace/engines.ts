/**
 * What may train an experiment: the engines that an archive has an entry for, and the one that a site takes.
 *
 * EG1 A site that names an engine trains with that one or not at all. One that names none takes the first in the order below that
 *     the archive has.
 */
import { z } from "zod";
import { FlError } from "../errors.ts";
import type { Manifest } from "./archive.ts";

export const engineNames = ["tfjs", "python", "worker"] as const;
export type EngineName = (typeof engineNames)[number];

export const engineSetting = z
  .enum(engineNames)
  .optional()
  .describe("what trains here, of what an experiment has: tfjs, python or worker; else the first of these that it has");

/** Engine → the file that is its workspace. */
export const entriesOf = ({ engine, entry, also }: Pick<Manifest, "engine" | "entry" | "also">) =>
  new Map<string, string>([[engine, entry], ...Object.entries(also ?? {})]);

/** @throws FL_ENGINE_UNAVAILABLE */
export function chooseEngine(manifest: Manifest, own?: EngineName): { engine: EngineName; entry: string } {
  const entries = entriesOf(manifest);
  const engine = own ?? engineNames.find((name) => entries.has(name));
  const entry = engine === undefined ? undefined : entries.get(engine);
  if (engine !== undefined && entry !== undefined) return { engine, entry };
  const has = [...entries.keys()].join(", ");
  const here = own === undefined ? `this release knows ${engineNames.join(", ")}` : `this site trains with ${own}`;
  throw new FlError("FL_ENGINE_UNAVAILABLE", {
    reason: `the experiment has ${has}; ${here}`,
    engines: [...entries.keys()],
  });
}
