/**
 * The Aggregator's ear: offers, failures and signs of life from its collaborators, as answers to them, as events for the
 * machine, and as progress for whoever looks.
 *
 * I1 Every offer is answered with its verdict; what was not accepted is counted and logged (law L7).
 * I2 An offer that does not decode is a refused one: its collaborator makes no better, so the round must not wait for it.
 * I3 A collaborator that its envoy has given up is out of every round until it lives again: no round waits for it. Its envoy
 *    may say so before the first round is open, and says it again and again.
 */
import type { WireError } from "../../src/errors.ts";
import type { RoundRecord, Verdict } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import type { AggregatorEvent, AggregatorInput } from "./machine.ts";
import type { Peers } from "./peers.ts";
import type { Workbench } from "./workbench.ts";

const PROGRESS_MS = 250;
const stateAfter = {
  accepted: "accepted",
  duplicate: "accepted",
  late: "working",
  again: "offering",
  refused: "failed",
} as const;

export type Intake = {
  readonly wire: Wire;
  readonly exp: string;
  readonly owner: string;
  readonly bench: Workbench;
  readonly peers: Peers;
  readonly input: AggregatorInput;
  readonly sendBack: (event: AggregatorEvent) => void;
  /** the record of the open round */
  readonly open: () => RoundRecord | undefined;
};

/** Listens until the returned function is called. */
export function intake({ wire, exp, owner, bench, peers, input, sendBack, open }: Intake): () => void {
  const { clock, counters, log } = wire.ports;
  const heard = (collaborator: string, returned: boolean): void => {
    if (returned) sendBack({ type: "collaborator.returned", collaborator });
  };
  const failed = (collaborator: string, round: number, error: WireError): void =>
    sendBack({ type: "collaborator.failed", collaborator, round, error });
  const judged = (collaborator: string, round: number, { verdict, error }: Verdict): void => {
    // a verdict may come long after its offer, and is no sign that whoever made it still lives
    if (!peers.givenUp.has(collaborator))
      heard(collaborator, peers.set(collaborator, stateAfter[verdict], clock.now()));
    if (verdict === "accepted") sendBack({ type: "update.accepted", collaborator });
    if (verdict === "accepted" || verdict === "duplicate") return;
    counters.drop(log, `update.${verdict}`, { collaborator, round, error }); // I1
    if (error?.code === "FL_PART_LOST") sendBack({ type: "aggregation.lost", error: error as WireError });
    if (verdict !== "refused" || error === undefined) return;
    sendBack({ type: "update.refused", collaborator, error: error as WireError });
    if (open()?.round === round) failed(collaborator, round, error as WireError);
  };

  const ends = [
    wire.serve(
      subjects.offer,
      { exp },
      async ({ collaborator }, offer) => {
        heard(collaborator, peers.set(collaborator, "offering", clock.now()));
        const verdict = await bench.offer(collaborator, offer);
        judged(collaborator, offer.round, verdict);
        return verdict;
      },
      (error, asked): Verdict => {
        const verdict: Verdict = { verdict: "refused", error: error.toJSON() };
        const round = open()?.round;
        if (asked !== undefined && round !== undefined) judged(asked.collaborator, round, verdict); // I2
        return verdict;
      },
    ),
    wire.serve(
      subjects.taskFailed,
      { exp },
      ({ collaborator }, { round, error }) => {
        heard(collaborator, peers.set(collaborator, "failed", clock.now()));
        failed(collaborator, round, error as WireError);
        return { ok: true };
      },
      (error) => ({ ok: false, error: error.toJSON() }),
    ),
    wire.serve(
      subjects.envoyFailed,
      { exp },
      ({ envoy }, { error }) => {
        peers.giveUp(envoy, error as WireError);
        const round = open()?.round; // before there is one it is told when it opens (I3)
        if (round !== undefined) failed(envoy, round, error as WireError);
        return { ok: true };
      },
      (error) => ({ ok: false, error: error.toJSON() }),
    ),
    wire.serve(
      subjects.end,
      { exp },
      (_, { failure }) => {
        sendBack(failure === null ? { type: "cancel" } : { type: "fail", failure });
        return { ok: true };
      },
      (error) => ({ ok: false, error: error.toJSON() }),
    ),
    wire.on(subjects.alive, { exp }, ({ collaborator }, alive) => {
      heard(collaborator, peers.alive(collaborator, alive, clock.now()));
    }),
  ];

  let told: number | undefined;
  let awaited: string | null = null;
  let said = "";
  const tell = (): void => {
    cancel = clock.after(PROGRESS_MS, tell);
    for (const collaborator of peers.lost(clock.now())) sendBack({ type: "collaborator.lost", collaborator });
    if (bench.waitingFor !== awaited) {
      awaited = bench.waitingFor;
      sendBack({ type: "aggregation.awaited", part: awaited });
    }
    const round = open();
    if (round === undefined) return;
    if (round.round !== told) {
      told = round.round;
      for (const [collaborator, error] of peers.givenUp) failed(collaborator, told, error); // I3
    }
    const progress = {
      round: round.round,
      rounds: input.rounds,
      epoch: round.epoch,
      state: round.state,
      quorum: round.quorum,
      deadline_at: round.deadline_at,
      waiting_for: awaited,
      peers: peers.list(),
    };
    const now = JSON.stringify(progress);
    if (now === said) return;
    said = now;
    wire.publish(subjects.progress, { owner, exp }, progress);
  };
  let cancel = clock.after(PROGRESS_MS, tell);
  return () => {
    cancel();
    for (const end of ends) end();
  };
}
