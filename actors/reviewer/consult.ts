/**
 * A role's reviewer, with everything around it: the docket that people decide on, the bus and the terminal they do it from.
 *
 * CO1 Wherever a decision comes from, it is the docket's: the first one counts, and the others see that it is over.
 * CO2 What cannot be looked at is rejected with what is wrong with it; what only cannot be had now is tried again.
 */
import { asFlError } from "../../src/errors.ts";
import type { Review } from "../../src/wire/messages.ts";
import type { Wire } from "../../src/wire/wire.ts";
import type { Parent } from "../entrypoint.ts";
import { insist } from "../insist.ts";
import { limitOf, type ReviewConfig } from "./config.ts";
import { Docket } from "./docket.ts";
import { type Matter, requestOf } from "./request.ts";
import { resolveReviewer } from "./resolve.ts";
import { rejection, reviewOf, type Subject } from "./review.ts";
import { serveReviews } from "./serve.ts";

/** What is to be reviewed, as it was told, with the digests it was told under. */
export type Case = Matter & Subject;

export type Consultation = {
  /** it decides by itself and at once: nothing is ever in review here */
  readonly immediate: boolean;
  /** Looks, asks, and says what came of it. @throws the signal's reason */
  review(about: Case, signal: AbortSignal): Promise<Review>;
  dispose(): Promise<void>;
};

export type Consulting = {
  readonly wire: Wire;
  readonly role: "director" | "envoy";
  readonly name: string;
  readonly parent: Parent;
};

/** @throws FL_PART_UNKNOWN, FL_PART_FAILED */
export async function consult(config: ReviewConfig, { wire, role, name, parent }: Consulting): Promise<Consultation> {
  const { clock, log } = wire.ports;
  const limitMs = limitOf(config);
  const docket = new Docket(clock, limitMs);
  const reviewer = await resolveReviewer(config, docket);
  const ends = [
    serveReviews({ wire, docket, role, name }),
    docket.onChange(({ request }, over) => {
      const { experiment, owner } = request;
      if (over) return parent.tell({ type: "settled", experiment });
      log.info({ experiment, owner }, "a decision is waited for");
      parent.tell({ type: "asking", review: request });
    }),
  ];
  parent.hear((message) => {
    try {
      docket.decide(message.experiment, message.decision);
    } catch {
      // decided elsewhere meanwhile (CO1)
    }
  });
  return {
    immediate: config.use === "auto",
    async review(about, signal) {
      const { experiment } = about;
      const verdict = await insist(signal, () => requestOf(wire, about, signal)).then(
        (request) => reviewOf(request, { reviewer, limitMs, clock }, signal),
        (e) => {
          if (signal.aborted) throw e;
          return rejection(about, { by: reviewer.name, error: asFlError(e) }, clock); // CO2
        },
      );
      const { approved, by, reason, error } = verdict;
      log.info({ experiment, approved, by, reason, code: error?.code }, "reviewed");
      return verdict;
    },
    async dispose() {
      for (const end of ends) end();
      await reviewer.dispose?.();
    },
  };
}
