/**
 * Who may see which experiments, and act on them.
 *
 * G1 Owners see their own, and managers all. What one may not see is not there: it is answered like a name that nobody has.
 * G2 Who asks is what the subject says: a secured server lets nobody use another's name, an open one believes it
 *    (docs/security.md).
 */
import { FlError } from "../../src/errors.ts";
import type { EnvoyStatus, ExperimentRecord } from "../../src/wire/messages.ts";
import type { Records } from "./records.ts";

export class Rights {
  readonly #records: Records;
  readonly #managers: ReadonlySet<string>;

  constructor(records: Records, managers: readonly string[]) {
    this.#records = records;
    this.#managers = new Set(managers);
  }

  /** Whether the caller may see what belongs to this owner. */
  over(caller: string, owner: string | undefined): boolean {
    return caller === owner || this.#managers.has(caller);
  }

  sees(caller: string, experiment: string): boolean {
    return this.over(caller, this.#records.ownerOf(experiment));
  }

  /** @throws FL_NOT_FOUND (G1) */
  async find(caller: string, experiment: string): Promise<ExperimentRecord> {
    const record = await this.#records.get(experiment);
    if (record !== undefined && this.over(caller, record.owner)) return record;
    throw missing(experiment);
  }

  /** One that the envoy takes part in. @throws FL_NOT_FOUND (G1) */
  async ofEnvoy(envoy: string, experiment: string): Promise<ExperimentRecord> {
    const record = await this.#records.get(experiment);
    if (record?.collaborators.includes(envoy)) return record;
    throw missing(experiment);
  }

  async list(caller: string): Promise<ExperimentRecord[]> {
    return (await this.#records.list()).filter(({ owner }) => this.over(caller, owner));
  }

  /** An envoy's status with others' experiments nameless: that it is busy is everybody's to know. */
  blurred(caller: string, status: EnvoyStatus): EnvoyStatus {
    const running = status.running.map(({ experiment, state }) => ({
      experiment: experiment !== null && this.sees(caller, experiment) ? experiment : null,
      state,
    }));
    return { ...status, running };
  }
}

const missing = (experiment: string): FlError =>
  new FlError("FL_NOT_FOUND", { reason: `there is no experiment ${experiment}`, experiment });
