/** `entente review`: what waits for a person's decision at a Director or an envoy, what it is, and the decision. */
import type { Command } from "commander";
import { type Reviewed, Reviews } from "../client/reviews.ts";
import { FlError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import type { Console } from "./console.ts";
import { type PlaceOptions, withFederation, withPlace } from "./place.ts";
import { pendingRow, planLines, reviewLines, sourceLines } from "./review-view.ts";
import { table } from "./table.ts";
import type { Verb } from "./verb.ts";

type ReviewOptions = PlaceOptions & {
  director?: string;
  envoy?: string;
  file?: string;
  reason?: string;
  archive?: string;
};

const WORDS = ["list", "show", "approve", "reject"];

export const review: Verb = (program, action) =>
  described(withPlace(program.command("review [what] [experiment]"))).action(
    action<ReviewOptions, [string | undefined, string | undefined]>((options, out, what = "list", experiment) => {
      const of = reviewedBy(options);
      if (!WORDS.includes(what)) {
        const near = nearest(what, WORDS);
        const hint = near === undefined ? WORDS.join(", ") : `did you mean ${near}?`;
        throw new FlError("FL_USAGE", { reason: `${what} is nothing that can be done with a review (${hint})` });
      }
      if (what !== "list" && experiment === undefined) {
        throw new FlError("FL_USAGE", { reason: `review ${what} needs the experiment's name` });
      }
      return withFederation(options, async (federation) => {
        const reviews = new Reviews(federation.access.wire, of, federation.name);
        if (what === "list") return list(reviews, of, out);
        return what === "show"
          ? show(reviews, experiment!, options, out)
          : decide(reviews, experiment!, what === "approve", options, out);
      });
    }),
  );

const described = (command: Command): Command =>
  command
    .description("List what waits for a decision, show one with its code, approve or reject it.")
    .option("--director <name>", 'the Director whose review it is (default: "director")')
    .option("--envoy <name>", "the envoy whose review it is")
    .option("--file <path>", "show: this file only")
    .option("--reason <text>", "approve, reject: told to the experiment's owner")
    .option("--archive <sha256>", "approve, reject: only if it is still this archive");

function reviewedBy({ director, envoy }: ReviewOptions): Reviewed {
  if (director !== undefined && envoy !== undefined) {
    throw new FlError("FL_USAGE", { reason: "a review is the Director's or an envoy's: --director or --envoy" });
  }
  return envoy === undefined ? { role: "director", name: director ?? "director" } : { role: "envoy", name: envoy };
}

async function list(reviews: Reviews, { role, name }: Reviewed, out: Console): Promise<number> {
  const pending = await reviews.list();
  for (const review of pending) out.emit("review", { role, name, ...review });
  if (pending.length === 0) out.say(`Nothing waits for a decision at ${role === name ? role : `${role} ${name}`}.`);
  else {
    const heads = ["experiment", "owner", "asked", "files", "size", "packages", "archive"];
    const columns = heads.map((head) =>
      head === "files" || head === "size" ? { head, align: "right" as const } : { head },
    );
    out.rows(table(columns, pending.map((p) => pendingRow(p, Date.now())), out.paint.dim)); // biome-ignore format: one line
    out.say("entente review show EXPERIMENT shows one with its code.");
  }
  return 0;
}

async function show(reviews: Reviews, experiment: string, { file }: ReviewOptions, out: Console): Promise<number> {
  const { review, plan, listing } = await reviews.show(experiment);
  if (file !== undefined && !listing.some((f) => f.path === file)) {
    throw new FlError("FL_NOT_FOUND", { reason: `there is no ${file} in the archive of ${experiment}` });
  }
  if (file === undefined) {
    out.emit("plan", { experiment, plan });
    for (const line of reviewLines(out, review, plan, listing)) out.say(line);
    out.say();
    out.say(out.paint.bold("plan"));
    for (const line of planLines(plan)) out.say(`  ${line}`);
  }
  for (const { text: isText, ...entry } of listing) {
    if (file !== undefined && entry.path !== file) continue;
    const text = isText ? await reviews.source(experiment, entry.path) : null;
    out.emit("file", { experiment, ...entry, text });
    out.say();
    out.say(out.paint.bold(entry.path));
    if (text === null) out.say("  not text; its SHA-256 is above");
    else for (const line of sourceLines(text, out.paint.dim)) out.say(line);
  }
  return 0;
}

async function decide(
  reviews: Reviews,
  experiment: string,
  approved: boolean,
  { reason, archive }: ReviewOptions,
  out: Console,
): Promise<number> {
  await reviews.decide({
    ...{ experiment, approved },
    ...(reason === undefined ? {} : { reason }),
    ...(archive === undefined ? {} : { archive_digest: archive }),
  });
  out.emit("decided", { experiment, approved, reason: reason ?? null });
  out.say(`${experiment} is ${approved ? "approved" : "rejected"}.`);
  return 0;
}
