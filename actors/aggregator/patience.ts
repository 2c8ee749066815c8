/**
 * A straggler policy at work on the open round: asked when there is something new, and at the time it named itself.
 *
 * Owns the policy's timer and what it is told; the machine closes the round.
 * PE1 The policy is asked when the round has opened, at each answer and failure of somebody who was asked, and at its own
 *     time; not any more once it has said `true`, or the round has closed.
 * PE2 A time that has passed is no time: it is asked again when somebody answers.
 * PE3 After a restart the round is as old as its record says, and whoever offers its update again answers then.
 */
import type { StragglerPolicy } from "../../src/parts/straggler.ts";
import type { Clock } from "../../src/ports.ts";
import type { PastRound } from "../../src/wire/messages.ts";
import type { AggregatorEvent } from "./machine.ts";

/** the longest a timer takes */
const LONGEST_MS = 2 ** 31 - 1;

export type Waiting = {
  readonly round: number;
  readonly asked: readonly string[];
  readonly quorum: number;
  /** milliseconds since the epoch */
  readonly openedAt: number;
  readonly deadlineAt: number | null;
  readonly history: readonly PastRound[];
};

export type PatienceParts = {
  readonly policy: StragglerPolicy;
  readonly clock: Clock;
  /** it has waited enough */
  enough(round: number): void;
  /** the policy failed */
  broken(e: unknown): void;
};

export class Patience {
  readonly #parts: PatienceParts;
  #open: Waiting | undefined;
  #answered: { collaborator: string; afterMs: number }[] = [];
  #failed: string[] = [];
  #cancel = (): void => {};

  constructor(parts: PatienceParts) {
    this.#parts = parts;
  }

  open(waiting: Waiting): void {
    this.close();
    this.#open = waiting;
    this.#ask();
  }

  close(): void {
    this.#cancel();
    this.#open = undefined;
    this.#answered = [];
    this.#failed = [];
  }

  /** What the machine is told, the policy is asked about (PE1). */
  heard(event: AggregatorEvent): void {
    const open = this.#open;
    if (open === undefined) return;
    if (event.type === "update.accepted") {
      if (this.#answered.some((a) => a.collaborator === event.collaborator)) return;
      this.#answered.push({ collaborator: event.collaborator, afterMs: this.#elapsed(open) });
    } else if (event.type === "collaborator.failed") {
      const { collaborator, round } = event;
      if (round !== open.round || !open.asked.includes(collaborator) || this.#failed.includes(collaborator)) return;
      this.#failed.push(collaborator);
    } else return;
    this.#ask();
  }

  #elapsed({ openedAt }: Waiting): number {
    return Math.max(0, this.#parts.clock.now() - openedAt);
  }

  #ask(): void {
    const open = this.#open!;
    const { policy, clock } = this.#parts;
    this.#cancel();
    this.#cancel = () => {};
    const { round, asked, quorum, openedAt, deadlineAt, history } = open;
    const elapsedMs = this.#elapsed(open);
    try {
      const decision = policy.decide({
        ...{ round, elapsedMs, asked, quorum, history },
        deadlineMs: deadlineAt === null ? null : deadlineAt - openedAt,
        answered: [...this.#answered],
        failed: [...this.#failed],
      });
      if (decision === true) {
        this.close();
        this.#parts.enough(round);
      } else if (decision !== false && decision > elapsedMs) {
        this.#cancel = clock.after(Math.min(decision - elapsedMs, LONGEST_MS), () => this.#ask()); // PE2
      }
    } catch (e) {
      this.close();
      this.#parts.broken(e);
    }
  }
}
