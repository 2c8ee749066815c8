/** The demo as a newcomer may leave it: killed, taken up by the next command, started over. */
import test, { type ExecutionContext } from "ava";
import { Cli, survivors } from "../support/cli.ts";
import { temporaryDir } from "../support/server.ts";

const demo = (t: ExecutionContext, dir: string, ...args: string[]): Cli =>
  new Cli(t, ["demo", "--envoys", "2", "--samples", "320", "--dir", dir, ...args, "--json"]);

test.serial("kill -9 of the demo leaves no process, and the next one resumes; --fresh starts over", async (t) => {
  const dir = await temporaryDir(t);
  const cut = demo(t, dir, "--rounds", "100");
  await cut.line("round", (r) => r.round === 1);
  const below = await cut.descendants();
  t.true(below.length >= 7, "server, Director, Aggregator, envoys and their collaborators");
  cut.child.kill("SIGKILL");
  await cut.ended;
  t.deepEqual(await survivors(below), []);

  const rest = demo(t, dir);
  t.like(await rest.line("notice", (n) => n.text.startsWith("resuming")), { type: "notice" });
  await rest.line("round");
  const locked = demo(t, dir, "--fresh");
  t.is(await locked.status(), 1);
  t.like(locked.of("error")[0], { code: "FL_LOCKED" });
  t.like(locked.lines.at(-1), { type: "summary", status: "failed", experiment: null });
  rest.child.kill("SIGTERM");
  t.is(await rest.status(), 130);

  const fresh = demo(t, dir, "--fresh", "--rounds", "1");
  t.is(await fresh.status(), 0);
  t.like(fresh.lines.at(-1), { type: "summary", experiment: "mnist-1", status: "finished", rounds: 1 });
  t.is(fresh.of("notice").length, 0);
});
