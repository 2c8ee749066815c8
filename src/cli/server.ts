/**
 * `entente server`: a nats-server in the foreground, started again when it dies. With --pki it lets in who has a certificate,
 * and follows the authority's list.
 */

import { startBus } from "./bus.ts";
import { port } from "./options.ts";
import { DIR, FED } from "./place.ts";
import { interruption } from "./signals.ts";
import type { Verb } from "./verb.ts";

type ServerOptions = { dir: string; port?: number; host?: string; pki?: string; name: string };

export const server: Verb = (program, action) =>
  program
    .command("server")
    .description("Run the NATS server that everybody connects to, in the foreground.")
    .option(
      "--pki <dir>",
      "the authority whose members may come in, each as itself; default: whoever reaches it may do all",
    )
    .option("--name <word>", "the server's name at the authority", "hub")
    .option("--host <address>", "the address it listens at (default: 127.0.0.1; 0.0.0.0 is every one)")
    .option("--port <n>", "its port; default: a free one", port)
    .option("--dir <path>", "where it keeps its state", DIR)
    .action(
      action<ServerOptions>(async ({ dir, pki, name, host, port: at }, out) => {
        const signal = interruption();
        const bus = await startBus({
          ...{ dir, host, port: at, log: (line) => out.notice(line) },
          pki: pki === undefined ? undefined : { dir: pki, name },
          news: ({ url, version, pid, fed = FED }) => {
            out.emit("server", { url, version, fed, pid });
            out.say(`nats-server ${version} is ready at ${url}; Ctrl-C ends it.`);
          },
        });
        try {
          await Promise.race([bus.failed, new Promise<void>((end) => signal.addEventListener("abort", () => end()))]);
          return 0;
        } finally {
          await bus.stop();
        }
      }),
    );
