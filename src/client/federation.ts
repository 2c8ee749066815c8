/**
 * A program's hold on a federation: one connection, the federation's envoys and shards, and its experiments.
 *
 * F1 Nothing here needs a Director to be running but `envoys`, an experiment's `cancel` and a running one's progress:
 *    submissions are stored, and records, metrics, events and models are read from where they are stored. On a secured
 *    server only the Director reads there, and everything but a submission is asked of it (src/client/holdings.ts).
 * F2 What the Director answers as an error is thrown as that error. F3 is in src/client/access.ts.
 */
import { type DummyShardOptions, dummyShard, type Shapes } from "../data/dummy-shard.ts";
import type { ShardDescriptor } from "../data/shard.ts";
import { asFlError } from "../errors.ts";
import type { Credentials, TlsSettings } from "../pki/credentials.ts";
import type { Log } from "../ports.ts";
import type { EnvoyStatus } from "../wire/messages.ts";
import type { Listed } from "../wire/requests.ts";
import { token } from "../wire/template.ts";
import { Access, type AccessOptions } from "./access.ts";
import { Experiment } from "./experiment.ts";
import type { InitialModel } from "./initial.ts";
import type { LocalOptions } from "./local.ts";
import type { PreparedExperiment } from "./prepare.ts";
import type { Shard } from "./shards.ts";
import type { SourceOptions } from "./source.ts";
import { type SubmitOptions, type Submitted, submit } from "./submission.ts";

export type ConnectOptions = {
  /** address of the NATS server; several, with commas between, for a cluster. @default "nats://127.0.0.1:4222" */
  readonly nats?: string | undefined;
  /** the federation's name. @default the certificate's, else "main" */
  readonly fed?: string | undefined;
  /** who submits and asks. @default the certificate's name, else "owner" */
  readonly name?: string | undefined;
  /** mutual TLS: a folder with ca.pem, cert.pem and key.pem, as `entente pki issue` makes it, or the three files. @default none */
  readonly tls?: string | TlsFiles | TlsSettings | undefined;
  /** @default none */
  readonly log?: Log | undefined;
  /** gives up connecting */
  readonly signal?: AbortSignal | undefined;
};

export type TlsFiles = { readonly ca: string; readonly cert: string; readonly key: string };

export type StartOptions = SourceOptions & {
  /** weights to begin with. @default a collaborator makes them, by the plan's seed */
  readonly model?: InitialModel | undefined;
  readonly signal?: AbortSignal | undefined;
};

export class Federation implements AsyncDisposable {
  /** @internal */
  readonly access: Access;
  readonly #close: () => Promise<void>;

  /** @throws FL_NATS_UNREACHABLE, FL_TLS, FL_DENIED, FL_NATS_TOO_OLD, FL_SUBJECT_TOKEN for a name that is not one token */
  static async connect(options: ConnectOptions = {}): Promise<Federation> {
    const { nats = "nats://127.0.0.1:4222", tls, log, signal } = options;
    const credentials = tls === undefined ? undefined : await shown(tls);
    const identity = credentials?.identity;
    const { fed = identity?.fed ?? "main", name = identity?.name ?? "owner" } = options;
    for (const [what, text] of Object.entries({ federation: fed, owner: name })) token(text, what);
    const { connect } = await import("./connect.ts"); // a workspace that imports this package needs no network
    if (credentials !== undefined) {
      const { checkBearer } = await import("../pki/credentials.ts");
      // who reviews for an envoy or a Director does so with that one's certificate, by a name of their own
      const kinds = ["manager", "envoy", "director"] as const;
      checkBearer(credentials, { fed, kinds, name: identity?.kind === "manager" ? name : undefined });
    }
    const { ports, close } = await connect({ url: nats, name, log, signal, credentials });
    return new Federation({ ports, fed, name, secured: identity !== undefined }, close);
  }

  /**
   * A whole federation in this process: a Director and collaborators that have shards of their own, over a world in memory. It is
   * what runs on a server, by the same code, and comes to the same models; `close` ends it and all that runs in it.
   * @throws FL_PART_UNKNOWN, FL_SHARD_INVALID, FL_SUBJECT_TOKEN, FL_USAGE
   */
  static async local(options: LocalOptions = {}): Promise<Federation> {
    const { startLocal } = await import("./local.ts");
    const { ports, fed, name, close } = await startLocal(options);
    return new Federation({ ports, fed, name }, close);
  }

  /** @internal */
  constructor(access: AccessOptions, close: () => Promise<void>) {
    this.access = new Access(access);
    this.#close = close;
  }

  /** the federation's name */
  get fed(): string {
    return this.access.wire.fed;
  }

  /** the name that submissions and questions go by */
  get name(): string {
    return this.access.name;
  }

  /** Whether a Director answers. */
  async directed(): Promise<boolean> {
    try {
      await this.access.asking.envoys();
      return true;
    } catch (e) {
      if (asFlError(e).code === "FL_NO_RESPONDER") return false;
      throw e;
    }
  }

  /** Who is registered, who of them is online, and what they report. @throws FL_NOT_FOUND, FL_NO_RESPONDER while no Director runs */
  envoys(): Promise<EnvoyStatus[]> {
    return this.access.need(this.access.asking.envoys());
  }

  /** All shards that were ever registered, in the order of their envoys' names. Empty before a Director has run. */
  async shards(): Promise<Shard[]> {
    try {
      return await this.access.holdings.shards();
    } catch (e) {
      if (asFlError(e).code === "FL_NOT_FOUND") return [];
      throw e;
    }
  }

  /** The shapes of a sample and of a target, which all shards have. @throws FL_NOT_FOUND before the first has registered */
  shapes(): Promise<Shapes> {
    return this.access.holdings.shapes();
  }

  /** Random data of the federation's shapes, to try a workspace on. @throws FL_NOT_FOUND before the first shard has registered */
  async dummyShard(options: DummyShardOptions = {}): Promise<ShardDescriptor> {
    return dummyShard({ ...(await this.shapes()), ...options });
  }

  /**
   * Hands an experiment in. Resolves when the Director has accepted it; without a Director, when it is stored and will run.
   * @throws FL_EXISTS, FL_PLAN_INVALID, FL_WORKSPACE_INVALID, FL_ARCHIVE_INVALID, FL_PART_FAILED, FL_USAGE, why it was refused
   */
  async start({ model, signal, ...source }: StartOptions): Promise<Experiment> {
    // what bundles, and what reads plans, is loaded only here
    const [{ experimentSource }, { prepareExperiment }, { initialModel }] = await Promise.all([
      import("./source.ts"),
      import("./prepare.ts"),
      import("./initial.ts"),
    ]);
    const prepared = await prepareExperiment(await experimentSource(source));
    const initial = model === undefined ? undefined : await initialModel(model);
    signal?.throwIfAborted();
    const submitted = await this.submit(prepared, { model: initial, signal });
    if (submitted.error !== undefined) throw submitted.error;
    return this.experiment(submitted);
  }

  /** `start` for what is bundled already, and without throwing what it is refused for. */
  submit(prepared: PreparedExperiment, options?: SubmitOptions): Promise<Submitted> {
    return submit(this, prepared, options);
  }

  /** An experiment of this owner's by its name, from wherever it was started, or by its submission. Asks nothing yet. @throws FL_SUBJECT_TOKEN */
  experiment(which: string | Submitted): Experiment {
    if (typeof which === "string") return new Experiment(this.access, token(which, "experiment"));
    return new Experiment(this.access, which.experiment, which);
  }

  /** All of this owner's experiments with how far each is, in the order of submission. @throws FL_NOT_FOUND if there is no such federation */
  list(): Promise<Listed[]> {
    return this.access.holdings.list();
  }

  /** Ends the connection. What was started goes on. */
  close(): Promise<void> {
    return this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** @throws FL_TLS */
async function shown(tls: string | TlsFiles | TlsSettings): Promise<Credentials | undefined> {
  const { loadCredentials } = await import("../pki/credentials.ts");
  if (typeof tls === "string") return loadCredentials({ creds: tls }, Date.now());
  return loadCredentials("ca" in tls ? { tlsCa: tls.ca, tlsCert: tls.cert, tlsKey: tls.key } : tls, Date.now());
}
