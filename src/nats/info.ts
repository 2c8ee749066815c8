/**
 * The first line every NATS server sends: who it is.
 *
 * I1 One connection, one line, no credentials: it works on a server that would refuse us, and tells its version.
 */
import { connect } from "node:net";
import { z } from "zod";
import { FlError } from "../errors.ts";

const serverInfo = z.object({
  server_name: z.string().default(""),
  version: z.string(),
  max_payload: z.int().positive(),
  jetstream: z.boolean().default(false),
});
/** wire fields, as the server spells them */
export type ServerInfo = z.infer<typeof serverInfo>;

/** @throws FL_NATS_UNREACHABLE when nobody, or nobody who speaks NATS, answers within `limitMs` */
export function readInfo(url: string, limitMs: number): Promise<ServerInfo> {
  const { hostname, port } = new URL(url.includes("://") ? url : `nats://${url}`);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 4222) });
    const fail = (reason: string, cause?: unknown) => {
      socket.destroy();
      reject(new FlError("FL_NATS_UNREACHABLE", { url, reason }, { cause }));
    };
    let text = "";
    socket.setEncoding("utf8").setTimeout(limitMs, () => fail(`silent for ${limitMs} ms`));
    socket.on("error", (e) => fail(e.message, e));
    socket.on("close", () => fail("closed before it said who it is"));
    socket.on("data", (chunk: string) => {
      text += chunk;
      const line = /^INFO (.*)\r\n/.exec(text)?.[1];
      if (line === undefined) {
        if (text.length > 65_536 || !"INFO ".startsWith(text.slice(0, 5))) fail("does not speak NATS");
        return;
      }
      try {
        resolve(serverInfo.parse(JSON.parse(line)));
        socket.destroy();
      } catch (e) {
        fail("does not speak NATS", e);
      }
    });
  });
}
