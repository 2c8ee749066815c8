/**
 * The demo on a terminal: rounds, and each envoy's state, as a block of lines. Pure; src/cli/live.ts draws it.
 *
 * V1 It fits: of many rounds the newest are shown. Every line is at most 80 columns wide, unless names are long.
 * V2 Columns keep their width, so that nothing moves sideways while numbers come in.
 */

import type { RoundRow } from "../client/rounds.ts";
import { bytes, decimal, percent } from "./figures.ts";
import { table } from "./table.ts";

export type EnvoyScene = {
  readonly name: string;
  readonly state: string;
  readonly doing?: string;
  readonly done?: number;
  readonly total?: number;
  readonly bytes?: number;
};

export type DemoScene = {
  readonly title: string;
  readonly stage: string;
  readonly rounds: number;
  readonly rows: readonly RoundRow[];
  readonly peers: readonly EnvoyScene[];
  readonly seconds: number;
};

type Style = (text: string) => string;

/** blank lines, heads, and one for the prompt below */
const OTHER_LINES = 7;
const right = "right" as const;

export function demoView(scene: DemoScene, height: number, style: { bold: Style; dim: Style }): string[] {
  const { title, stage, rows, peers, seconds } = scene;
  const head = `${style.bold(title)}  ${stage}  ${style.dim(`${seconds} s`)}`;
  const shown = rows.slice(-Math.max(3, height - OTHER_LINES - peers.length)); // V1
  const rounds = table(
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
  );
  const envoys = table(
    [
      { head: "envoy", width: 12 },
      { head: "state", width: 9 },
      { head: "task", width: 15 },
      { head: "done", align: right, width: 5 },
      { head: "update", align: right, width: 7 },
    ],
    peers.map(envoyRow),
    style.dim,
  );
  const working = peers.some((p) => p.state !== "");
  return ["", head, ...(shown.length > 0 ? ["", ...rounds] : []), ...(working ? ["", ...envoys] : [])];
}

function envoyRow({ name, state, doing = "", done = 0, total = 0, bytes: here = 0 }: EnvoyScene): string[] {
  const task = state === "working" ? doing : "";
  const far = task !== "" && total > 0 ? percent(Math.min(1, done / total), 0) : "";
  return [name, state, task, far, here > 0 ? bytes(here) : ""];
}
