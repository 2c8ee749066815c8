/** The children of one process: Y2 of actors/child/nursery.ts, with real ones. */
import test from "ava";
import { createActor, toPromise } from "xstate";
import { Nursery } from "../../actors/child/nursery.ts";
import { silentLog } from "../../src/log.ts";

const place = { url: "nats://127.0.0.1:1", fed: "test", name: "director", log: "silent" as const };

test("a child starts when the one before it of the same role and configuration is gone, and waits for no other", async (t) => {
  const nursery = new Nursery(place, {}, silentLog);
  const child = (name: string) => ({ role: "aggregator", config: { name } });
  const start = (name: string) => {
    const actor = createActor(nursery.run, { input: child(name) });
    const over = toPromise(actor);
    over.catch(() => {});
    actor.start();
    return { actor, over };
  };
  await nursery.gone(child("x"));
  const first = start("x");
  let gone = false;
  const going = nursery.gone(child("x")).then(() => {
    gone = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  await nursery.gone(child("y"));
  t.false(gone, "it tries to reach a server that is not there");
  first.actor.stop();
  const second = start("x"); // of the same name: it is after that one
  await going;
  second.actor.stop();
  await nursery.settled();
  t.pass();
});
