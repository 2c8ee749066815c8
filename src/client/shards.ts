/** The shards of a federation, from where the Director keeps them: also those of envoys that are away, also without a Director. */
import type { Shapes } from "../data/dummy-shard.ts";
import { FlError } from "../errors.ts";
import type { EnvoyRecord } from "../wire/messages.ts";
import { buckets } from "../wire/table.ts";
import type { Wire } from "../wire/wire.ts";

/** A registered shard: its envoy's name, what it says of its data, and since when. */
export type Shard = Omit<EnvoyRecord, "v">;

/** In the order of names. @throws FL_NOT_FOUND if there is no such federation */
export async function readShards(wire: Wire): Promise<Shard[]> {
  const rows = await (await wire.table(buckets.envoys)).all();
  return rows
    .map(({ value: { v: _, ...shard } }) => shard)
    .sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

/** Of one sample and one target: all shards of a federation have the same. @throws FL_NOT_FOUND before the first has registered */
export async function readShapes(wire: Wire): Promise<Shapes> {
  return shapesOf(await readShards(wire));
}

export function shapesOf([shard]: readonly Shard[]): Shapes {
  if (shard !== undefined) return { sampleShape: shard.sample_shape, targetShape: shard.target_shape };
  throw unknownShapes();
}

export const unknownShapes = (): FlError =>
  new FlError("FL_NOT_FOUND", {
    reason: "no envoy has registered, so the shapes of the data are not known",
    hint: "they are known once an envoy has registered",
  });
