/**
 * The configuration of a server that Entente starts for itself.
 *
 * `nats.conf` at the root is the same configuration for whoever runs their own server; a test holds the two together.
 * C1 No key is written that the given version would refuse: an unknown key stops a nats-server from starting.
 * C2 What is acknowledged is on disk (`sync_interval: always`) on every version that can do it.
 * C3 A secured server lets in whom its authority has given a certificate and its list of members names, and nobody else.
 */
import { canSyncAlways } from "./version.ts";

/** Mutual TLS: paths of the server's own files, and who may come in (accounts.ts). */
export type Secured = {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly accounts: string;
};

export type ServerPlace = {
  readonly version: string;
  /** unique to this start, so that whoever answers on the port can be told from another server */
  readonly name: string;
  /** the address it listens at; default: the loopback */
  readonly host?: string | undefined;
  /** -1: the server chooses a free one and writes it below `portsDir` */
  readonly port: number;
  readonly storeDir: string;
  readonly pidFile: string;
  readonly portsDir: string;
  readonly secured?: Secured | undefined;
};

/** Settings of both configurations. */
export const settings = {
  // checkpoints travel in chunks of at most 512 KiB; the rest is room for inline updates and user messages
  maxPayload: "8MB",
  // what one slow reader may owe before it is dropped. Larger only hides a missing pace, in the server's memory
  maxPending: "64MB",
} as const;

/** A string of the server's configuration language, where backslash and quote are escaped as in JSON. */
const quoted = (text: string) => JSON.stringify(text);

export function renderConfig(place: ServerPlace): string {
  const sync = canSyncAlways(place.version) ? "\n  sync_interval: always" : "";
  return `# written by entente for nats-server ${place.version} at each start; edits are lost
server_name: ${quoted(place.name)}
host: ${place.host === undefined ? "127.0.0.1" : quoted(place.host)}
port: ${place.port}
pid_file: ${quoted(place.pidFile)}
ports_file_dir: ${quoted(place.portsDir)}
max_payload: ${settings.maxPayload}
max_pending: ${settings.maxPending}

jetstream {
  store_dir: ${quoted(place.storeDir)}${sync}
}
${place.secured === undefined ? "" : renderSecured(place.secured)}`;
}

/** C3: the certificate's e-mail address is the user. */
export const renderSecured = ({ ca, cert, key, accounts }: Secured): string => `
tls {
  ca_file: ${quoted(ca)}
  cert_file: ${quoted(cert)}
  key_file: ${quoted(key)}
  verify_and_map: true
}

${accounts}`;
