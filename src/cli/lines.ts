/**
 * What `--json` prints: one object a line, each with a `type` from this table and exactly these fields.
 *
 * J1 Names and meanings are stable; a field may be added. Nothing else is printed on stdout in this mode.
 * J2 docs/cli.md has this table (test/cli/lines.test.ts).
 * J3 Times are milliseconds since the epoch, sizes are bytes, durations are seconds, fractions are 0 to 1. What is not
 *    known is null, never left out.
 */
import { z } from "zod";
import { kinds } from "../pki/identity.ts";
import {
  deviceReport,
  envoyStatus,
  experimentState,
  failure,
  peerState,
  review as reviewed,
  waiting,
} from "../wire/messages.ts";
import { description } from "../wire/requests.ts";

const text = z.string();
const name = z.string();
const count = z.int().nonnegative();
const time = z.number();
const fraction = z.number().nullable();
const metrics = z.record(z.string(), z.number());

export const lines = {
  error: z
    .strictObject({
      type: z.literal("error"),
      code: text.describe("one of docs/errors.md"),
      message: text.describe("one sentence"),
      hint: text.describe("what to do"),
      detail: z.record(z.string(), z.unknown()).describe("what the code's own fields are"),
    })
    .describe("The command failed; its exit status is not 0."),
  notice: z
    .strictObject({ type: z.literal("notice"), text: text.describe("one sentence") })
    .describe("Something worth knowing that needs no answer."),
  server: z
    .strictObject({
      type: z.literal("server"),
      url: text.describe("address to give as --nats"),
      version: text.nullable().describe("of nats-server; null for one that was not started here"),
      fed: name.describe("the federation's name"),
      pid: count.nullable().describe("the server's process; null for one that was not started here"),
    })
    .describe("`up`, `demo`, `server`: the bus is there."),
  process: z
    .strictObject({
      type: z.literal("process"),
      role: text.describe("director, envoy, aggregation or monitor"),
      name: name.describe("the instance"),
      state: z
        .enum(["ready", "waiting", "restarting", "failed", "ended"])
        .describe("what became of it; waiting: it goes on trying, `code` says what for"),
      pid: count.nullable().describe("of the process that is meant"),
      code: text.nullable().describe("why it failed or waits, as a code"),
      reason: text.nullable().describe("why it failed, waits or is started again, in words"),
    })
    .describe("A role's process changed its state."),
  submitted: z
    .strictObject({
      type: z.literal("submitted"),
      experiment: name.describe("its name from now on"),
      state: z.enum(["accepted", "stored"]).describe("stored: no Director runs yet; one that comes will take it"),
      seq: count.describe("its place in the stream of submissions"),
      archive: text.describe("SHA-256 of the workspace archive"),
    })
    .describe("`submit`: the experiment is stored and will run."),
  experiment: z
    .strictObject({
      type: z.literal("experiment"),
      name: name.describe("the experiment's"),
      owner: name.describe("who submitted it"),
      state: experimentState.describe(
        "pending, in_review, in_progress, paused, finished, failed, rejected or cancelled",
      ),
      attempt: count.describe("how often it went into the queue: submitted, resumed, retried"),
      priority: z.int().describe("in the queue: higher goes first"),
      round: count.nullable().describe("the round that is open, or was open last"),
      rounds: count.describe("how many the plan has"),
      progress: z.number().describe("share of them that have closed, 0 to 1"),
      tasks: count.describe("how many the plan has in a round"),
      accuracy: fraction.describe("of the newest model that was rated"),
      metrics: metrics.describe("of the round that closed last, by `<task label>.<metric>`"),
      best: z
        .strictObject({ round: count, metric: text, value: z.number() })
        .nullable()
        .describe("the best model so far: rounds of training in it, and what it was chosen by"),
      collaborators: z.array(name).describe("who takes part"),
      reviews: z
        .array(reviewed)
        .describe("what its reviewers have decided: role, name, by whom, when, of which digests"),
      submitted_at: time.describe("when it was stored"),
      started_at: time.nullable().describe("when it left the queue"),
      ended_at: time.nullable().describe("when it ended"),
      deadline_at: time.nullable().describe("when it fails if it has not ended by then"),
      waiting: waiting
        .nullable()
        .describe(
          "why it has not started: `reason` in words, `for` whom, and what is `ahead`; null unless it is pending",
        ),
      failure: failure.nullable().describe("role, name, round and coded error with stack"),
    })
    .describe("`status`: one experiment; `submit --wait`: how it ended."),
  waiting: z
    .strictObject({
      type: z.literal("waiting"),
      experiment: name.describe("the experiment's"),
      reason: text.describe("what it waits for, in words"),
      for: z.array(name).describe("envoys that it needs and that are not online"),
      ahead: z.array(name).describe("experiments that run or start before it, in order"),
    })
    .describe("`submit --wait`: it does not start yet. `status EXPERIMENT`: its round waits for a part elsewhere."),
  collaborator: z
    .strictObject({
      type: z.literal("collaborator"),
      experiment: name.describe("the experiment's"),
      name: name.describe("the collaborator's, which is its envoy's"),
      state: peerState.describe("absent, resting, working, offering, accepted, failed or silent"),
      doing: text.describe("label of the running task, or fetching, offering, waiting, …"),
      done: count.describe("samples of the task that are done"),
      total: count.describe("samples the task has"),
      bytes: count.describe("of its update that are at the Aggregator"),
      seen_at: time.nullable().describe("its last sign of life"),
    })
    .describe("`status EXPERIMENT`, `demo`: one collaborator as the Aggregator sees it."),
  description: z
    .strictObject({
      type: z.literal("description"),
      name: name.describe("the experiment's"),
      owner: name.describe("who submitted it"),
      state: experimentState.describe("as of `experiment`"),
      attempt: count.describe("how often it went into the queue"),
      rounds: count.describe("how many the plan has"),
      round: count.nullable().describe("the round that is open, or was open last"),
      progress: z.number().describe("share of the rounds that have closed, 0 to 1"),
      waiting: waiting.nullable().describe("why it has not started; null unless it is pending"),
      models: description.shape.models.describe(
        "rounds of training in the `best` and the `last` model, null if there is none yet; rounds whose models are `kept`",
      ),
      tasks: description.shape.tasks.describe("the plan's: label, task, weights it is on, whether it trains"),
      collaborators: description.shape.collaborators.describe(
        "who takes part: online, state, round, running task and the next one, how far it is",
      ),
    })
    .describe("`describe`: an experiment in figures."),
  envoy: z
    .strictObject({
      type: z.literal("envoy"),
      name: name.describe("the envoy's"),
      online: z.boolean().describe("its last heartbeat is young enough"),
      description: text.describe("of its shard"),
      sample_shape: z.array(count).describe("of one sample"),
      target_shape: z.array(count).describe("of one target"),
      registered_at: time.describe("when it first registered"),
      seen_at: time.nullable().describe("its last sign of life"),
      valid_ms: count.describe("for how long a sign of life counts"),
      running: envoyStatus.shape.running.describe(
        "experiments it has a collaborator for, and that one's state; another owner's is null",
      ),
      report: deviceReport.nullable().describe("its machine: CPU, memory, disk, GPUs"),
    })
    .describe("`status --envoys`: one registered envoy."),
  created: z
    .strictObject({
      type: z.literal("created"),
      what: z.enum(["director", "envoy", "experiment"]).describe("director, envoy or experiment"),
      dir: text.describe("the folder"),
      files: z.array(text).describe("what is in it"),
    })
    .describe("`init`: the folder is there."),
  review: z
    .strictObject({
      type: z.literal("review"),
      role: z.enum(["director", "envoy"]).describe("whose decision it is: director or envoy"),
      name: name.describe("the Director's or the envoy's"),
      experiment: name.describe("the experiment's"),
      owner: name.describe("who submitted it"),
      since: time.describe("when the decision was first asked for"),
      deadline_at: time.nullable().describe("when it counts as rejected; null if it may wait"),
      plan_digest: text.describe("SHA-256 of the plan"),
      archive_digest: text.describe("SHA-256 of the workspace archive"),
      files: count.describe("how many the archive holds"),
      bytes: count.describe("what they come to"),
      dependencies: z.record(z.string(), text).describe("packages that it asks to be installed, and their versions"),
      collaborators: z.array(name).describe("where it would run"),
    })
    .describe("`review`: an experiment that waits for a person's decision."),
  plan: z
    .strictObject({
      type: z.literal("plan"),
      experiment: name.describe("the experiment's"),
      plan: z.record(z.string(), z.unknown()).describe("the plan with every default filled in"),
    })
    .describe("`review show`: what it asks for."),
  file: z
    .strictObject({
      type: z.literal("file"),
      experiment: name.describe("the experiment's"),
      path: text.describe("in the archive"),
      bytes: count.describe("its size"),
      digest: text.describe("its SHA-256"),
      text: text.nullable().describe("its source; null if it is no text"),
    })
    .describe("`review show`: a file of the archive."),
  decided: z
    .strictObject({
      type: z.literal("decided"),
      experiment: name.describe("the experiment's"),
      approved: z.boolean().describe("whether it may run"),
      reason: text.nullable().describe("what its owner is told"),
    })
    .describe("`review approve`, `review reject`: the decision is made."),
  metric: z
    .strictObject({
      type: z.literal("metric"),
      experiment: name.describe("the experiment's"),
      round: count.describe("the round it was measured in"),
      origin: name.describe("a collaborator, or `aggregator` for the mean over all"),
      task: text.describe("the task's label"),
      metric: text.describe("its name"),
      value: z.number().describe("the value"),
      at: time.describe("when"),
    })
    .describe("`metrics`, without `--sink` or with `--sink console`: one value."),
  sink: z
    .strictObject({
      type: z.literal("sink"),
      experiment: name.describe("the experiment's"),
      sink: text.describe("as it was given"),
      state: z.enum(["written", "failed"]).describe("whether everything is there, or it ended before"),
      metrics: count.describe("how many were written now; what was there already is not written again"),
      code: text.nullable().describe("why it failed, as a code"),
      reason: text.nullable().describe("why it failed, in words"),
    })
    .describe("`metrics --sink`: a sink has ended."),
  cancelled: z
    .strictObject({ type: z.literal("cancelled"), experiment: name.describe("the experiment's") })
    .describe("`cancel`: the Director has taken the order."),
  ordered: z
    .strictObject({
      type: z.literal("ordered"),
      experiment: name.describe("the experiment's"),
      order: text.describe("the command that was given"),
      state: experimentState.nullable().describe("of the experiment by now; null when it is gone"),
    })
    .describe(
      "`pause`, `resume`, `retry`, `priority`, `deadline`, `fail`, `remove`: the Director has taken the order.",
    ),
  model: z
    .strictObject({
      type: z.literal("model"),
      experiment: name.describe("the experiment's"),
      which: text.describe("which of its models: `best`, `last`, or `round-<n>`"),
      rounds: count.describe("rounds of training in it"),
      parameters: count.describe("how many numbers it is"),
      dir: text.describe("folder of the files"),
      files: z.array(text).describe("model.json, weights.bin and model.safetensors, with their folder"),
    })
    .describe("`model`: the files are written."),
  finding: z
    .strictObject({
      type: z.literal("finding"),
      file: text.describe("the file it stands in, from its workspace on"),
      line: count.describe("its line there"),
      key: text.describe("its path: aggregator.settings.rounds_to_train"),
      value: z.json().describe("what it says"),
      outcome: z.enum(["mapped", "renamed", "implied", "none", "unknown"]).describe("docs/coming-from-openfl.md"),
      target: text.nullable().describe("mapped: the key of the plan here; renamed: what it is called here; else null"),
      note: text.describe("what that means, in half a sentence"),
    })
    .describe("`import`: what became of one value."),
  check: z
    .strictObject({
      type: z.literal("check"),
      check: z.enum(["plan", "workspace", "shapes", "collaborators", "quorum"]).describe("what was looked at"),
      holds: z.boolean().nullable().describe("null: there was nobody to ask"),
      detail: text.describe("what was found, in words"),
      code: text.nullable().describe("of the error it would come to"),
    })
    .describe("`plan check`: one of the checks, in order."),
  value: z
    .strictObject({
      type: z.literal("value"),
      path: text.describe("where it stands in the plan, such as `tasks[1].label`"),
      value: z.json().describe("what counts"),
      from: z.enum(["file", "default"]).describe("whether the file says it"),
      line: count.nullable().describe("of the file, if it does"),
    })
    .describe("`plan check --explain`: one value of the resolved plan."),
  digest: z
    .strictObject({ type: z.literal("digest"), plan: text.describe("SHA-256 of the plan, as all parties compare it") })
    .describe("`plan check --explain`: the last line."),
  packed: z
    .strictObject({
      type: z.literal("packed"),
      file: text.describe("the archive"),
      digest: text.describe("its SHA-256"),
      bytes: count.describe("its size"),
      files: z.array(text).describe("what is in it"),
      left_out: z.array(text).describe("what of the folder is not"),
    })
    .describe("`workspace pack`: the archive is written."),
  unpacked: z
    .strictObject({
      type: z.literal("unpacked"),
      dir: text.describe("the folder"),
      digest: text.describe("SHA-256 of the archive"),
      files: z.array(text).describe("what is in it"),
    })
    .describe("`workspace unpack`: the folder is there."),
  imported: z
    .strictObject({
      type: z.literal("imported"),
      plan: z.record(z.string(), z.unknown()).describe("the plan, which is valid as it is"),
      file: text.nullable().describe("where it was written; null without --out"),
      mapped: count.describe("how many values the plan has"),
      renamed: count.describe("how many are here under another name"),
      implied: count.describe("how many need not be said"),
      none: count.describe("how many have no counterpart"),
      unknown: count.describe("how many OpenFL does not have"),
    })
    .describe("`import`: always the last line."),
  authority: z
    .strictObject({
      type: z.literal("authority"),
      dir: text.describe("its folder"),
      fed: name.describe("the federation that it is for"),
    })
    .describe("`pki init`: the authority is there."),
  certificate: z
    .strictObject({
      type: z.literal("certificate"),
      kind: z.enum(kinds).describe("what its bearer is: server, director, envoy, manager or part"),
      name: name.describe("the bearer's, on the bus too"),
      fed: name.describe("the federation's"),
      state: z.enum(["good", "expired", "revoked"]).describe("whether its bearer comes in"),
      not_after: time.describe("when it runs out"),
      digest: text.describe("SHA-256 of the certificate"),
    })
    .describe("`pki issue`, `sign`, `revoke`, `list`: a bearer's newest certificate."),
  request: z
    .strictObject({
      type: z.literal("request"),
      kind: text.describe("what it asks for: server, director, envoy, manager or part"),
      name: name.describe("under which name"),
      fed: name.describe("in which federation"),
      file: text.describe("where it is"),
      digest: text.describe("SHA-256 of the request, to be read out to the authority"),
    })
    .describe("`pki request`: a key is there, and a request for its certificate."),
  conf: z
    .strictObject({
      type: z.literal("conf"),
      file: text.describe("what the server's configuration includes"),
      server: name.describe("the server's name at the authority"),
      members: count.describe("how many may come in"),
    })
    .describe("`pki conf`, and each change of the list after it: the file is written."),
  round: z
    .strictObject({
      type: z.literal("round"),
      experiment: name.describe("the experiment's"),
      round: count.describe("rounds of training in the model that is rated here"),
      rounds: count.describe("how many the plan has"),
      accuracy: fraction.describe("of this round's model on everyone's validation data"),
      loss: z.number().nullable().describe("of the same"),
      train_loss: z.number().nullable().describe("mean over the round's training"),
      seconds: z.number().describe("from the round's opening to its close"),
    })
    .describe("`demo`, `submit --wait`: a round is over and its model is rated."),
  summary: z
    .strictObject({
      type: z.literal("summary"),
      experiment: name.nullable().describe("the experiment's; null when there was none yet"),
      status: z
        .enum(["finished", "failed", "cancelled", "interrupted"])
        .describe("interrupted: the same command again goes on from there"),
      rounds: count.describe("rounds of training that are done"),
      accuracy: fraction.describe(
        "of the saved model on the 10,000 test images; without one, of the newest that was rated",
      ),
      seconds: z.number().describe("from the start of the command"),
      model: text.nullable().describe("folder of the saved model, null without one"),
    })
    .describe("`demo`: always the last line."),
} as const;

export type LineType = keyof typeof lines;
export type Line<K extends LineType> = z.input<(typeof lines)[K]>;

/** Markdown, as it stands between the markers of docs/cli.md. */
export function linesTable(): string {
  return Object.entries(lines)
    .map(([type, schema]) => {
      const rows = Object.entries(schema.shape)
        .filter(([field]) => field !== "type")
        .map(([field, s]) => {
          const said = (s as z.ZodType).description;
          if (said === undefined) throw new Error(`${type}.${field} has no description`);
          return `| \`${field}\` | ${said} |`;
        });
      return [`### ${type}`, schema.description ?? "", "", "| field | |", "|---|---|", ...rows].join("\n");
    })
    .join("\n\n");
}
