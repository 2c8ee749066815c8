/**
 * Who takes part in an experiment, and what is known of each.
 *
 * RO1 Those whom the experiment began with are asked from the first round on. Where the plan lets others join, the
 *     experiment's record names them as they come, and each is asked from the first round that opens after a sign of its
 *     life: whoever joins holds up no round before it can work.
 * RO2 What is not known is null, and nothing waits for it long: a Director that is away has no device reports to give.
 */
import type { Candidate } from "../../src/parts/assigner.ts";
import type { DeviceReport, EnvoyRecord, ExperimentRecord } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import type { History } from "./history.ts";
import type { Peers } from "./peers.ts";

/** of one ask for device reports */
const REPORTS_MS = 1_000;

export class Roster {
  readonly #wire: Wire;
  readonly #exp: string;
  readonly #peers: Peers;
  readonly #present: Set<string>;
  readonly #joining = new Set<string>();
  readonly #shards = new Map<string, EnvoyRecord>();

  constructor(wire: Wire, { name, collaborators }: ExperimentRecord, peers: Peers) {
    this.#wire = wire;
    this.#exp = name;
    this.#peers = peers;
    this.#present = new Set(collaborators);
  }

  /** Follows the experiment's record for those who join. Resolves when what is there has been read. */
  async follow(signal: AbortSignal): Promise<void> {
    const records = await this.#wire.table(buckets.experiments);
    const take = ({ value }: { value: ExperimentRecord | undefined }): void => {
      for (const name of value?.collaborators ?? []) {
        if (this.#present.has(name) || this.#joining.has(name)) continue;
        this.#joining.add(name);
        this.#peers.join(name);
        this.#wire.ports.log.info({ collaborator: name }, "joins");
      }
    };
    await records.watch({ exp: this.#exp }, take, signal);
  }

  /** Who can be asked now, in the order of names; and who of them is new (RO1). */
  present(): { readonly names: readonly string[]; readonly joined: readonly string[] } {
    const joined = [...this.#joining].filter((name) => this.#peers.isHeard(name)).sort();
    for (const name of joined) {
      this.#joining.delete(name);
      this.#present.add(name);
    }
    return { names: [...this.#present].sort(), joined };
  }

  /** What is known of those who can be asked. Only an assigner that is `informed` is told more than history has. */
  async candidates(names: readonly string[], history: History, informed: boolean): Promise<Candidate[]> {
    const [, devices] = informed ? await Promise.all([this.#learn(names), this.#reports()]) : [];
    return names.map((name) => {
      const shard = this.#shards.get(name);
      return {
        name,
        shard: shard === undefined ? null : this.#told(shard),
        device: devices?.get(name) ?? null,
        standing: history.standing(name),
        metrics: history.metricsOf(name),
      };
    });
  }

  #told({ name, description, sample_shape, target_shape }: EnvoyRecord): NonNullable<Candidate["shard"]> {
    const samples = this.#peers.samples(name);
    return { description, sampleShape: sample_shape, targetShape: target_shape, samples };
  }

  async #learn(names: readonly string[]): Promise<void> {
    const envoys = await this.#wire.table(buckets.envoys);
    const unknown = names.filter((name) => !this.#shards.has(name));
    await Promise.all(
      unknown.map(async (envoy) => {
        const row = await envoys.get({ envoy });
        if (row !== undefined) this.#shards.set(envoy, row.value);
      }),
    );
  }

  async #reports(): Promise<Map<string, DeviceReport>> {
    try {
      const { envoys } = await this.#wire.request(subjects.devices, { exp: this.#exp }, {}, { timeoutMs: REPORTS_MS });
      return new Map(envoys.flatMap(({ name, report }) => (report === null ? [] : [[name, report] as const])));
    } catch (e) {
      this.#wire.ports.log.debug({ err: e }, "no device reports"); // RO2
      return new Map();
    }
  }
}
