/** Who may publish and hear what, said again by hand: a change of the table that gives somebody more shows here. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import type { MemberKind } from "../../src/pki/identity.ts";
import { rightsTable } from "../../src/wire/document.ts";
import { type Right, rightsOf } from "../../src/wire/permissions.ts";
import { subjects } from "../../src/wire/table.ts";

const FED = "f";
const of = (kind: MemberKind, verb: Right["verb"], parts: string[] = []): string[] =>
  rightsOf(FED, { kind, name: "n" }, parts)
    .filter((right) => right.verb === verb)
    .map(({ subject }) => subject.replace("fl.v1.f.", ""))
    .sort();

test("an envoy publishes as itself and its collaborators, and hears what is for it", (t) => {
  t.deepEqual(of("envoy", "publish"), [
    "$JS.API.DIRECT.GET.*.exp.*.change.*.*.*",
    "$JS.API.DIRECT.GET.*.exp.*.model.*.*.*",
    "$JS.API.DIRECT.GET.KV_fl-f-assignments.$KV.fl-f-assignments.n",
    "$JS.API.DIRECT.GET.KV_fl-f-rounds.$KV.fl-f-rounds.*",
    "envoy.n.archive",
    "envoy.n.exp.*.fail",
    "envoy.n.exp.*.failed",
    "envoy.n.exp.*.review",
    "envoy.n.exp.*.reviewed",
    "envoy.n.heartbeat",
    "envoy.n.monitor.*",
    "envoy.n.register",
    "envoy.n.review.decide.*",
    "envoy.n.review.list.*",
    "envoy.n.review.show.*",
    "exp.*.col.n.alive",
    "exp.*.col.n.failed",
    "exp.*.col.n.offer",
    "owner.*.*.metric.n",
  ]);
  t.deepEqual(of("envoy", "subscribe"), [
    "envoy.n.assigned",
    "envoy.n.monitor.*",
    "envoy.n.probe.*.*",
    "envoy.n.review.decide.*",
    "envoy.n.review.list.*",
    "envoy.n.review.show.*",
    "exp.*.agg.pull.n",
    "exp.*.agg.round",
    "exp.*.change.*.*.*",
    "exp.*.model.*.*.*",
  ]);
});

const ASKS = [
  ...[
    "cancel",
    "dataset",
    "deadline",
    "describe",
    "envoys",
    "events",
    "fail",
    "give",
    "list",
    "metrics",
    "model",
    "pause",
    "priority",
    "remove",
  ],
  ...["resume", "retry", "status"],
];
test("an experiment manager asks as itself, and hears what is its own", (t) => {
  t.deepEqual(of("manager", "publish"), [
    ...ASKS.map((ask) => `director.${ask}.n`),
    "experiment.submit.n",
    "upload.n.*.*",
  ]);
  t.deepEqual(of("manager", "subscribe"), ["owner.n.*.event.*", "owner.n.*.metric.*", "owner.n.*.progress"]);
});

test("a part answers under its own name, and takes what an Aggregator hands out to it", (t) => {
  t.deepEqual(of("part", "publish"), ["aggregation.n.take.*.*"]);
  t.deepEqual(
    of("part", "subscribe"),
    [...["accept", "begin", "finish", "give"].map((ask) => `exp.*.aggregation.n.${ask}`), "envoy.*.monitor.n"].sort(),
  ); // prettier-ignore
  t.deepEqual(
    rightsOf(FED, { kind: "envoy", name: "n" }, ["rack"]).filter(({ far }) => typeof far === "object" && far !== null),
    [
      {
        verb: "publish",
        subject: "fl.v1.f.envoy.n.monitor.rack",
        of: "report",
        crossing: "asks",
        far: { part: "rack" },
      },
    ],
  );
});

test("what nobody but the Director's side may publish or hear is all the rest", (t) => {
  const granted = new Set(
    (["envoy", "manager", "part"] as const).flatMap((kind) =>
      rightsOf(FED, { kind, name: "n" }).map(({ verb, of }) => `${verb} ${of}`),
    ),
  );
  const without = (verb: Right["verb"]) => Object.keys(subjects).filter((key) => !granted.has(`${verb} ${key}`));
  t.deepEqual(without("publish").sort(), [
    ...[
      "aggregationAccept",
      "aggregationBegin",
      "aggregationFinish",
      "aggregationGive",
      "assigned",
      "changeChunk",
      "devices",
    ],
    ...["directorDecide", "directorReview", "directorReviews", "end", "event", "modelChunk", "probe", "progress"],
    ...["pull", "round", "stateChunk"],
  ]); // prettier-ignore
  t.deepEqual(without("subscribe").sort(), [
    ...[
      "aggregationTake",
      "alive",
      "archive",
      "cancel",
      "dataset",
      "deadline",
      "describe",
      "devices",
      "directorDecide",
      "directorReview",
    ],
    ...[
      "directorReviews",
      "end",
      "envoyFailed",
      "envoyFails",
      "envoys",
      "events",
      "fail",
      "give",
      "heartbeat",
      "list",
      "metrics",
      "model",
    ],
    ...[
      "offer",
      "pause",
      "priority",
      "register",
      "remove",
      "resume",
      "retry",
      "reviewGiven",
      "reviewed",
      "stateChunk",
      "status",
      "submit",
      "taskFailed",
      "uploadChunk",
    ],
  ]); // prettier-ignore
});

test("every right is one's own: it names its bearer, or belongs to everybody of its kind", (t) => {
  const shared =
    /^(\$JS\.API\.DIRECT\.GET\.(\*\.fl\.v1\.f\.exp|KV_fl-f-rounds)|fl\.v1\.f\.exp\.\*\.(agg\.round|model|change))/;
  for (const kind of ["envoy", "manager", "part"] as const) {
    for (const { subject } of rightsOf(FED, { kind, name: "n" })) {
      if (!shared.test(subject)) t.true(subject.split(".").includes("n"), subject);
    }
  }
});

test("docs/security.md lists who may do what", (t) => {
  const page = fileURLToPath(new URL("../../../docs/security.md", import.meta.url));
  const before = readFileSync(page, "utf8");
  const marked = /(<!-- rights:.*-->\n)[\s\S]*?(<!-- end of rights -->)/;
  t.regex(before, marked);
  const expected = before.replace(marked, (_, start: string, end: string) => `${start}${rightsTable()}\n${end}`);
  if (process.env.UPDATE_DOCS === "1") writeFileSync(page, expected);
  else t.is(before, expected, "run UPDATE_DOCS=1 npx ava dist/test/wire/permissions.test.js");
});
