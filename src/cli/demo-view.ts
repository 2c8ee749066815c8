/**
 * The demo on a terminal: rounds, and each envoy's state, as a block of lines. Pure; src/cli/live.ts draws it.
 *
 * V1 It fits: of many rounds the newest are shown. Every line is at most 80 columns wide, unless names are long.
 */
import type { Progress } from "../wire/messages.ts";
import { bytes, decimal, percent } from "./figures.ts";
import type { RoundRow } from "./rounds.ts";
import { table } from "./table.ts";

export type DemoScene = {
  readonly experiment: string;
  readonly rounds: number;
  readonly rows: readonly RoundRow[];
  readonly progress: Progress | undefined;
  readonly envoys: readonly string[];
  readonly seconds: number;
};

const OTHER_LINES = 6;
const right = "right" as const;

export function demoView(scene: DemoScene, height: number, style: { bold: Style; dim: Style }): string[] {
  const { experiment, rounds, rows, progress, envoys, seconds } = scene;
  const shown = rows.slice(-Math.max(3, height - OTHER_LINES - envoys.length)); // V1
  return [
    `${style.bold(experiment)}  ${stage(progress, rounds)}  ${style.dim(`${Math.floor(seconds)} s`)}`,
    "",
    ...table(
      [
        { head: "round", align: right, width: 5 },
        { head: "accuracy", align: right, width: 9 },
        { head: "loss", align: right, width: 8 },
        { head: "train loss", align: right, width: 10 },
        { head: "seconds", align: right, width: 7 },
      ],
      shown.map((r) => [
        String(r.round),
        r.accuracy === null ? style.dim("rating") : percent(r.accuracy),
        decimal(r.loss),
        decimal(r.trainLoss),
        r.seconds.toFixed(1),
      ]),
      style.dim,
    ),
    "",
    ...table(
      [
        { head: "envoy", width: 10 },
        { head: "state", width: 9 },
        { head: "task", width: 16 },
        { head: "done", align: right, width: 5 },
        { head: "update", align: right, width: 7 },
      ],
      envoys.map((name) => envoyRow(name, progress)),
      style.dim,
    ),
  ];
}

type Style = (text: string) => string;

/** In which part of the experiment it is. */
export function stage(progress: Progress | undefined, rounds: number): string {
  if (progress === undefined) return "starting";
  if (progress.round === 0) return "making the first model";
  if (progress.round > rounds) return "rating the final model";
  return `round ${progress.round} of ${rounds}`;
}

function envoyRow(name: string, progress: Progress | undefined): string[] {
  const peer = progress?.peers.find((p) => p.name === name);
  if (peer === undefined || peer.state === "absent") return [name, "starting"];
  const { state, doing, done, total } = peer;
  const far = state === "working" && total > 0 ? percent(Math.min(1, done / total), 0) : "";
  return [name, state, state === "working" ? doing : "", far, peer.bytes > 0 ? bytes(peer.bytes) : ""];
}
