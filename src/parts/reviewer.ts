/**
 * A reviewer: who decides whether an experiment may run here. A swappable part; this is its contract and its definition helper.
 * The built-in ones (`auto`, `prompt`) are in actors/reviewer/, a policy of a site's own is a module.
 *
 * RV1 It sees what will run, under the digests that are compared again before it runs: nothing that it was not shown runs.
 * RV2 Only `approved: true` approves. A reviewer that throws, or answers something else, has not approved.
 * RV3 It may be asked again for the same experiment (a process may die before its answer is recorded), and by several at once.
 */
import { z } from "zod";
import { FlError } from "../errors.ts";
import type { Plan } from "../plan/plan.ts";
import { parseStrict } from "../validate.ts";
import type { Dependencies } from "../workspace/dependencies.ts";
import type { ListedFile } from "../workspace/listing.ts";

/** What is to be decided about. */
export type ReviewRequest = {
  readonly experiment: string;
  /** who submitted it */
  readonly owner: string;
  /** whose review this is, and its name */
  readonly role: "director" | "envoy";
  readonly name: string;
  /** every default filled in */
  readonly plan: Plan;
  readonly planDigest: string;
  readonly archiveDigest: string;
  /** everything that the archive holds, with its source where it is text */
  readonly files: readonly ListedFile[];
  /** packages that it asks to be installed beside its files */
  readonly dependencies: Dependencies;
  /** where it would run: for a Director's review all that take part, for an envoy's that envoy */
  readonly collaborators: readonly string[];
};

export type Decision = {
  readonly approved: boolean;
  /** told to the owner */
  readonly reason?: string | undefined;
  /** who decided. @default the reviewer's name */
  readonly by?: string | undefined;
};

/** What a user writes. */
export type ReviewerSpec<O> = {
  readonly name: string;
  /** a zod schema of the configuration's `review.options`; without one the reviewer takes none */
  readonly options?: z.ZodType<O>;
  /** `signal` aborts when the decision is not needed any more */
  review(request: ReviewRequest, options: O, signal: AbortSignal): Decision | Promise<Decision>;
  dispose?(): void | Promise<void>;
};

export type Reviewer = {
  readonly name: string;
  /** @throws FL_PART_FAILED (RV2); the signal's reason */
  review(request: ReviewRequest, signal: AbortSignal): Promise<Decision>;
  dispose?(): void | Promise<void>;
};

export type ReviewerPart = {
  readonly name: string;
  /** @throws FL_PART_FAILED when the options are not the reviewer's */
  create(options?: Record<string, unknown>): Reviewer;
};

const fn = <F>(optional = false) =>
  z.custom<F>((f) => typeof f === "function" || (optional && f === undefined), "must be a function");
const specSchema = z.object({
  name: z.string().min(1).max(64),
  options: z.custom<z.ZodType>((s) => s === undefined || s instanceof z.ZodType, "must be a schema").optional(),
  review: fn<ReviewerSpec<unknown>["review"]>(),
  dispose: fn<NonNullable<ReviewerSpec<unknown>["dispose"]>>(true).optional(),
});
const decision = z.object({
  approved: z.boolean(),
  reason: z.string().max(4_096).optional(),
  by: z.string().min(1).max(64).optional(),
});

/** Defines a reviewer. @throws FL_PART_FAILED when `spec` is none */
export function defineReviewer<O = Record<string, never>>(spec: ReviewerSpec<O>): ReviewerPart {
  const { name } = parseStrict(specSchema, spec, { code: "FL_PART_FAILED", what: "reviewer" });
  // the type of options is free to be anything only because the schema makes it; without one they are empty
  const schema: z.ZodType<O> = spec.options ?? (z.strictObject({}) as unknown as z.ZodType<O>);
  return {
    name,
    create(given = {}) {
      const options = parseStrict(schema, given, { code: "FL_PART_FAILED", what: `options of reviewer ${name}` });
      return {
        name,
        async review(request, signal) {
          signal.throwIfAborted();
          let said: unknown;
          try {
            said = await spec.review(request, options, signal); // called on `spec`: it may be a class
          } catch (e) {
            signal.throwIfAborted();
            if (e instanceof FlError) throw e;
            const reason = `reviewer ${name}: ${e instanceof Error ? e.message : String(e)}`;
            throw new FlError("FL_PART_FAILED", { part: name, reason }, { cause: e });
          }
          return parseStrict(decision, said, { code: "FL_PART_FAILED", what: `decision of reviewer ${name}` }); // RV2
        },
        async dispose() {
          await spec.dispose?.();
        },
      };
    },
  };
}

/** The same for a module's default export: what `defineReviewer` made, of this copy of the package or another. */
export function checkReviewer(value: unknown, what: string): ReviewerPart {
  const part = value as Partial<ReviewerPart> | undefined;
  if (typeof part?.create === "function" && typeof part.name === "string") return part as ReviewerPart;
  const reason = `${what} is no reviewer: its default export must be defineReviewer({ … })`;
  throw new FlError("FL_PART_FAILED", { part: what, reason });
}
