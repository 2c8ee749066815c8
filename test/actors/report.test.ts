/** An envoy's report of a failed collaborator: F1 of actors/envoy/report.ts. */
import test from "ava";
import { REPEAT_MS, reportFailure } from "../../actors/envoy/report.ts";
import { FlError } from "../../src/errors.ts";
import { subjects } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { manualClock } from "../support/clock.ts";
import { FED, quiet, testWorld } from "../support/ports.ts";

test("what an envoy cannot run is said again for as long as it is so, to whichever Aggregator there is (F1)", async (t) => {
  const clock = manualClock();
  const world = testWorld({ clock });
  const heard: string[] = [];
  const aggregator = (name: string): (() => void) =>
    world.wire(name).serve(
      subjects.envoyFailed,
      { exp: "e" },
      ({ envoy }, { error }) => {
        heard.push(`${name} ${envoy} ${error.code}`);
        return { ok: true };
      },
      (error) => ({ ok: false, error: error.toJSON() }),
    );
  const end = aggregator("first");
  const stop = new AbortController();
  const wire = new Wire({ ...world.ports("envoy"), clock }, FED);
  const error = new FlError("FL_SHARD_FAILED");
  const reporting = reportFailure({ wire, envoy: "north", experiment: "e", error }, stop.signal);
  await quiet();
  clock.advance(REPEAT_MS - 1);
  await quiet();
  t.deepEqual(heard, ["first north FL_SHARD_FAILED"]);
  end();
  aggregator("second");
  clock.advance(1);
  await quiet();
  t.deepEqual(heard.slice(1), ["second north FL_SHARD_FAILED"]);
  stop.abort();
  await reporting;
  t.is(clock.waiting, 0);
});
