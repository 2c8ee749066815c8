/** The Director's process: the centre of a federation, for as long as it is let run. */
import { fromWire } from "../../src/errors.ts";
import { host } from "../../src/host.ts";
import { buckets } from "../../src/wire/table.ts";
import type { ChildInput } from "../child/machine.ts";
import { Nursery } from "../child/nursery.ts";
import { runRole, wears } from "../entrypoint.ts";
import { consult } from "../reviewer/consult.ts";
import { directorConfig } from "./config.ts";
import { DirectorServices } from "./services.ts";
import { Sinks } from "./sinks.ts";

runRole(directorConfig, "director", wears.director, async ({ config, wire, ports, stop, ready, parent }) => {
  const { name, limit, share, periodMs, sampleShape, targetShape, review, managers } = config;
  const shapes = {
    ...(sampleShape === undefined ? {} : { sample_shape: sampleShape }),
    ...(targetShape === undefined ? {} : { target_shape: targetShape }),
  };
  const nursery = new Nursery(config, {}, ports.log);
  const aggregators = new Nursery(config, { dependencies: config.dependencies }, ports.log);
  const sinks = await Sinks.open({ sinks: config.sinks, nursery, ports, stop });
  const consultation = await consult(review, { wire, role: "director", name, parent });
  const services = await DirectorServices.open({
    ...{ wire, name, periodMs, shapes, managers, ready, consultation },
    reviewMs: review.limit ?? null,
    run: aggregators.run,
    gone: (child: ChildInput) => aggregators.gone(child),
    began: (experiment: string) => sinks.begin(experiment),
  });
  const hosted = await host(services.machine, {
    id: "director",
    input: { name, limit, share },
    ports,
    stop,
    leave: { type: "leave" },
    persistence: { rows: await wire.table(buckets.snapshots), role: "director", name },
  });
  const output = await hosted.done;
  await services.settled();
  await Promise.all([nursery.settled(), aggregators.settled()]);
  await consultation.dispose();
  if (output.state === "failed") throw fromWire(output.error);
  return output;
});
