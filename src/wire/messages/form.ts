/** What messages are made of: the forms of names, times and bytes, and of what went wrong. M1–M3: src/wire/messages.ts. */
import { z } from "zod";
import { type Code, codes } from "../../errors.ts";
import { TOKEN } from "../template.ts";

export const name = z.string().regex(TOKEN, "letters, digits, '-' and '_' only, at most 64");
export const time = z.number();
export const digest = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in hexadecimal");
export const count = z.int().nonnegative();
export const binary = z.custom<Uint8Array>((v) => v instanceof Uint8Array, "must be bytes");
/** bytes that outlive the message they came in */
export const kept = binary.transform((bytes) => Uint8Array.prototype.slice.call(bytes) as Uint8Array);

export const wireError = z.object({
  /** a newer peer may say what this release has no word for (M2) */
  code: z.string().transform((c) => (Object.hasOwn(codes, c) ? (c as Code) : "FL_INTERNAL")),
  message: z.string(),
  detail: z.record(z.string(), z.unknown()).default({}),
  stack: z.string().optional(),
});

/** What went wrong, where: kept with the experiment and shown to its owner. */
export const failure = z.object({
  role: z.enum(["owner", "director", "envoy", "aggregator", "collaborator"]),
  name: z.string(),
  round: count.nullable(),
  error: wireError,
});
export type Failure = z.infer<typeof failure>;

export const nothing = z.object({});
