/**
 * Law L1: kill -9 of any process or of the server, in the middle of a round, ends in the same final model as an undisturbed
 * run. Every process is real, the data is MNIST, and whoever was killed is started again as its supervisor would.
 */
import test from "ava";
import { director, reference, run, shard } from "../support/digits.ts";

test.serial("D37 kill -9 of the Director: a new one takes the experiment up where its record stands", async (t) => {
  const model = await run(t, async (fed) => {
    await fed.kill("director", "director");
    await fed.start("director", "director", director);
  });
  t.is(model, await reference(t));
});

test.serial("C37 kill -9 of the Aggregator: its successor is offered the kept updates again", async (t) => {
  const model = await run(t, async (fed) => {
    process.kill(await fed.childOf("director", "director", "aggregator"), "SIGKILL");
  });
  t.is(model, await reference(t));
});

test.serial("SIGTERM of the Aggregator by whoever: it leaves, and its successor goes on", async (t) => {
  const model = await run(t, async (fed) => {
    process.kill(await fed.childOf("director", "director", "aggregator"), "SIGTERM");
  });
  t.is(model, await reference(t));
});

test.serial("kill -9 of a Collaborator: its round repeats for it", async (t) => {
  const model = await run(t, async (fed) => {
    process.kill(await fed.childOf("envoy", "a", "collaborator"), "SIGKILL");
  });
  t.is(model, await reference(t));
});

test.serial("D20 kill -9 of an Envoy: its collaborator goes with it and both come back", async (t) => {
  const model = await run(t, async (fed) => {
    await fed.kill("envoy", "b");
    await fed.start("envoy", "b", shard(1));
  });
  t.is(model, await reference(t));
});

test.serial("C37 kill -9 of the nats-server, restarted on its store: everyone reconnects and goes on", async (t) => {
  const model = await run(t, async (fed) => {
    await fed.server.kill();
    await fed.server.restart();
  });
  t.is(model, await reference(t));
});
