/**
 * A device monitor as a process of its own: envoys whose monitor is `nats:<name>` ask it. Started by a user:
 *
 *   node dist/actors/device-monitor/main.js '{"url":"nats://127.0.0.1:4222","fed":"main","name":"rack","module":"./rack.ts"}'
 */
import { once } from "node:events";
import { z } from "zod";
import { TOKEN } from "../../src/wire/template.ts";
import { roleConfig, runRole, type Wears } from "../entrypoint.ts";
import { localMonitor } from "./resolve.ts";
import { serveMonitor } from "./serve.ts";

const config = z.strictObject({
  ...roleConfig.shape,
  module: z.string().default("system").describe("the monitor: a built-in name or a module path"),
  envoy: z.string().regex(TOKEN).optional().describe("answer this envoy only"),
});

/** an envoy's own, or a part that answers envoys elsewhere too */
const worn: Wears<z.infer<typeof config>> = { kinds: ["envoy", "part"], name: ({ envoy, name }) => envoy ?? name };

runRole(config, "monitor", worn, async ({ config: { module, name, envoy }, wire, ports, stop, ready }) => {
  const monitor = await localMonitor(module, process.cwd());
  const end = serveMonitor({ wire, monitor, name, envoy });
  try {
    await ports.bus.flush();
    ports.log.info({ monitor: monitor.name, envoy }, "serving");
    ready();
    if (!stop.aborted) await once(stop, "abort");
  } finally {
    end();
    await monitor.dispose?.();
  }
});
