/**
 * A host process of collaborators without work: the real machine and services, each on a connection of its own, with a
 * trainer that holds a vector and leaves it as it is. What is measured is everything but training.
 */
import { z } from "zod";
import { collaboratorMachine } from "../actors/collaborator/machine.ts";
import { CollaboratorServices } from "../actors/collaborator/services.ts";
import { systemClock } from "../src/clock.ts";
import { Counters } from "../src/counters.ts";
import type { Splits } from "../src/data/shard.ts";
import type { Trainer } from "../src/engine/engine.ts";
import { host } from "../src/host.ts";
import { createLog } from "../src/log.ts";
import { connectNats } from "../src/nats/connect.ts";
import { parsePlan } from "../src/plan/plan.ts";
import { layoutOf } from "../src/tensor/layout.ts";
import { Wire } from "../src/wire/wire.ts";

const config = z
  .object({
    url: z.string(),
    experiment: z.string(),
    names: z.array(z.string()),
    parameters: z.number(),
    plan: z.unknown(),
  })
  .parse(JSON.parse(process.argv[2] ?? "{}"));

const one = { size: 1, samples: new Float32Array(1), targets: new Float32Array(1) };
const data: Splits = { train: one, validation: one };

function idle(parameters: number): Trainer {
  const values = new Float32Array(parameters);
  return {
    layout: layoutOf([{ name: "w", dtype: "f32", shape: [parameters] }]),
    tasks: ["idle"],
    read: (out) => out.set(values),
    write: (given) => values.set(given),
    run: () => Promise.resolve({}),
    save: () => Promise.resolve(),
    dispose: () => {},
    memory: () => ({ tensors: 0 }),
  };
}

await Promise.all(
  config.names.map(async (name) => {
    const log = createLog({ level: "warn", name });
    const nats = await connectNats({ url: config.url, name, log });
    const ports = { bus: nats.bus, store: nats.store, clock: systemClock, log, counters: new Counters() };
    const services = await CollaboratorServices.create({
      wire: new Wire(ports, "bench"),
      experiment: config.experiment,
      owner: "bench",
      name,
      attempt: 1,
      plan: parsePlan(config.plan),
      prepare: () => Promise.resolve({ trainer: idle(config.parameters), data }),
    });
    const hosted = await host(collaboratorMachine.provide({ actors: services.actors }), {
      id: name,
      input: { experiment: config.experiment, name },
      ports,
      stop: new AbortController().signal,
      leave: { type: "leave" },
    });
    await hosted.done;
    await services.dispose();
  }),
);
process.exit(0);
