/**
 * The codecs there are, by name and by their number on the wire.
 *
 * RG1 A number is never used again for another codec; what an older peer could not read counts the version up.
 */

import { FlError } from "../errors.ts";
import { bf16 } from "./bf16.ts";
import type { Codec } from "./codec.ts";
import { eden } from "./eden.ts";
import { f16 } from "./f16.ts";
import { int8 } from "./int8.ts";
import { kmeans } from "./kmeans.ts";
import { randomk } from "./randomk.ts";
import { stc } from "./stc.ts";
import { topk } from "./topk.ts";

export const codecs = { f16, bf16, int8, topk, randomk, stc, kmeans, eden } as const;
export type CodecName = keyof typeof codecs;

/** A codec of a plan: its name and its options, defaults filled in. */
export type Chosen = { readonly use: string; readonly [option: string]: unknown };

/** @throws FL_INTERNAL for a name that no plan lets pass */
export function codecOf(use: string): Codec {
  if (Object.hasOwn(codecs, use)) return codecs[use as CodecName] as unknown as Codec;
  throw new FlError("FL_INTERNAL", { reason: `there is no codec ${use}` });
}
