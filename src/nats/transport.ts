/**
 * The client's TCP transport, with fewer and larger reads and writes.
 *
 * Owns how bytes are gathered on their way between the socket and the client's parser; the protocol is the client's own.
 *
 * The stock transport writes once for each publish, and parses each 64 KiB that the socket reads by itself: a message that
 * lies in several reads is grown piece by piece, which copies it twice more. Here bytes are read into one buffer that is kept,
 * what a turn of the event loop brings is parsed as one piece, and what it publishes is written with one system call. In a
 * profile of a 2 × 1,000 round a quarter of the Aggregator's time went into writes, and of a 5 × 100,000 round a fifth into
 * collecting read buffers.
 *
 * T1 Order is kept. A write waits to the end of the present turn at the longest, and so does a small read; a large one for as
 *    long as each turn brings more of it, up to ROOM_BYTES.
 * T2 This is a subclass of the client's own transport: connecting, TLS and closing are its. `test/nats/transport.test.ts`
 *    holds that a connection really uses it, as the base class is not a documented part of the client.
 * T3 What is handed to the parser is a copy of its own size: handlers may keep views of it.
 * T4 A server's certificate is for the name or the address that was dialled. The base class would take an address for
 *    `localhost`.
 * T5 What a server has against our certificate it says after the handshake has ended for us, and hangs up: the client takes
 *    that for a lost connection, and would only say that time ran out.
 */
import { createConnection, type Socket } from "node:net";
import { checkServerIdentity, type PeerCertificate, type TLSSocket } from "node:tls";
import {
  type ConnectionOptions,
  type NatsConnection,
  NatsConnectionImpl,
  setTransportFactory,
} from "@nats-io/transport-node";
import { NodeTransport, nodeResolveHost } from "@nats-io/transport-node/lib/node_transport.js";
import { FlError } from "../errors.ts";

const ROOM_BYTES = 2 * 2 ** 20;
/** less room than this is not worth a read */
const LEAST_BYTES = 64 * 1024;
/** a read of this size is likely to have more behind it */
const BULK_BYTES = 64 * 1024;

/** T5, by what a connection shows */
const alerts = new WeakMap<object, Error>();
export const HUNG_UP = "ERR_SSL_HUNG_UP";
const hungUp = (): Error => Object.assign(new Error("the server hung up"), { code: HUNG_UP });

export class GatheringTransport extends NodeTransport {
  readonly #room = Buffer.allocUnsafeSlow(ROOM_BYTES);
  /** read and not delivered yet: the room from start to end; the socket reads behind it */
  #start = 0;
  #end = 0;
  #seen = 0;
  #scheduled = false;
  #written: Uint8Array[] = [];
  #host = "";

  override dial(at: { hostname: string; port: number }): Promise<Socket> {
    this.#host = at.hostname;
    // TLS reads through a socket of its own
    if (this.options.tls !== undefined && this.options.tls !== null) return super.dial(at);
    return new Promise((resolve, reject) => {
      const onread = {
        // asked for once a read has been told: the place of the next one
        buffer: () => this.#room.subarray(this.#end),
        callback: (bytes: number) => {
          this.#end += bytes;
          if (this.#room.length - this.#end < LEAST_BYTES) {
            this.#deliver(socket);
            this.#start = this.#end = this.#seen = 0;
          } else if (!this.#scheduled) {
            this.#scheduled = true;
            setImmediate(() => this.#gather(socket));
          }
          return true;
        },
      };
      const socket = createConnection({ host: at.hostname, port: at.port, noDelay: true, onread }, () => {
        socket.removeAllListeners();
        resolve(socket);
      });
      let failed: Error | undefined;
      socket.on("error", (err) => {
        failed = err;
      });
      socket.on("close", () => {
        socket.removeAllListeners();
        reject(failed);
      });
    });
  }

  /** A large message is still coming in while each turn brings more of it: it is worth waiting for (T1). */
  #gather(socket: Socket): void {
    const more = this.#end > this.#seen;
    this.#seen = this.#end;
    if (more && this.#end - this.#start >= BULK_BYTES) setImmediate(() => this.#gather(socket));
    else {
      this.#scheduled = false;
      this.#deliver(socket);
    }
  }

  #deliver(socket: Socket): void {
    if (this.#end === this.#start) return;
    const bytes = Buffer.allocUnsafeSlow(this.#end - this.#start); // T3
    this.#room.copy(bytes, 0, this.#start, this.#end);
    this.#start = this.#end;
    socket.emit("data", bytes); // the base class listens for it
  }

  /** A server that asks for TLS of a client that was not told to use it: this socket's reads are ours already. */
  override startTLS(): Promise<TLSSocket> {
    const { tls } = this.options;
    if (tls !== undefined && tls !== null) {
      const isFor = (_: string, cert: PeerCertificate) => checkServerIdentity(this.#host, cert); // T4
      this.options = { ...this.options, tls: { ...tls, checkServerIdentity: isFor } as typeof tls };
      return super.startTLS().then((socket) => {
        socket.on("error", (e: NodeJS.ErrnoException) => {
          if (e.code?.startsWith("ERR_SSL")) alerts.set(tls, e);
        });
        socket.on("close", () => alerts.has(tls) || alerts.set(tls, hungUp())); // its alert may be lost on the way
        return socket;
      });
    }
    return Promise.reject(new FlError("FL_TLS", { reason: "the server wants to see a certificate" }));
  }

  override send(frame: Uint8Array): void {
    if (this.#written.push(frame) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const written = this.#written;
    this.#written = [];
    const socket = this.socket as Socket | undefined; // gone once the transport is closed
    if (written.length === 1) super.send(written[0]!);
    else {
      socket?.cork();
      for (const frame of written) super.send(frame);
      socket?.uncork();
    }
  }

  /** What was published before closing still goes out (T1). */
  override close(err?: Error): Promise<void> {
    if (err === undefined) this.#flush();
    return super.close(err);
  }
}

/** The client's `connect`, on this transport. */
export async function connectGathering(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new GatheringTransport(), dnsResolveFn: nodeResolveHost });
  try {
    return await NatsConnectionImpl.connect(options);
  } catch (e) {
    throw alerts.get(options.tls ?? {}) ?? e; // T5
  }
}
