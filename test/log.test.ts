import test from "ava";
import { FlError } from "../src/errors.ts";
import { createLog, silentLog } from "../src/log.ts";

test("a log line is one JSON object with its level by name, its bindings, and the error's code", (t) => {
  const lines: string[] = [];
  const log = createLog({ level: "info", name: "director", destination: { write: (line) => lines.push(line) } });
  log.child({ experiment: "e1" }).warn({ err: new FlError("FL_TIMEOUT", { round: 3 }) }, "no answer");
  log.debug({}, "not shown");
  t.is(lines.length, 1);
  t.like(JSON.parse(lines[0]!), {
    level: "warn",
    name: "director",
    pid: process.pid,
    experiment: "e1",
    msg: "no answer",
    err: { code: "FL_TIMEOUT", detail: { round: 3 } },
  });
});

test("a silent log has children as silent", (t) => {
  t.is(silentLog.child({ a: 1 }), silentLog);
  t.notThrows(() => silentLog.error({}, "nothing"));
});
