/**
 * A TCP proxy in front of a server, to lose answers at a chosen moment.
 *
 * While `mute` is on, requests still reach the server and answers do not come back: what a client then knows is nothing.
 */
import { connect, createServer, type Socket } from "node:net";

export type LossyProxy = {
  readonly url: string;
  /** answers are swallowed from now on; connections made later are heard again */
  mute(): void;
  /** ends all connections; new ones are accepted */
  cut(): void;
  close(): Promise<void>;
};

export async function proxyTo(url: string): Promise<LossyProxy> {
  const port = Number(new URL(url).port);
  const pairs = new Set<{ client: Socket; server: Socket; muted: boolean }>();
  const listener = createServer((client) => {
    const server = connect(port, "127.0.0.1");
    const pair = { client, server, muted: false };
    pairs.add(pair);
    client.on("data", (data) => server.write(data));
    server.on("data", (data) => {
      if (!pair.muted) client.write(data);
    });
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("error", end).on("close", end);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  const own = typeof address === "object" && address !== null ? address.port : 0;
  const cut = (): void => {
    for (const { client } of [...pairs]) client.destroy();
  };
  return {
    url: `nats://127.0.0.1:${own}`,
    mute: () => {
      for (const pair of pairs) pair.muted = true;
    },
    cut,
    close: () =>
      new Promise((resolve) => {
        listener.close(() => resolve());
        cut();
      }),
  };
}
