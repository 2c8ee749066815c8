/**
 * What nvidia-smi says of the GPUs of this machine.
 *
 * NS1 Whether it is there is found out once; a machine without it never starts a process for it again.
 * NS2 No call takes longer than LIMIT_MS; one that was too slow gives the figures of the last that was not.
 * NS3 A line that cannot be read is passed over; a figure that the driver does not give ("[N/A]") is 0.
 * NS4 The CUDA version is the driver's and no field of a GPU: it stands in the plain output's head, which is read once.
 */
import { execFile } from "node:child_process";
import type { DeviceReport } from "../../src/wire/messages.ts";

export type Gpu = DeviceReport["gpus"][number];

const LIMIT_MS = 3_000;
const MIB = 2 ** 20;
const FIELDS = ["index", "name", "memory.total", "memory.used", "utilization.gpu", "driver_version"];
const ARGUMENTS = [`--query-gpu=${FIELDS.join(",")}`, "--format=csv,noheader,nounits"];

export class NvidiaSmi {
  readonly #command: string;
  readonly #limitMs: number;
  #absent = false;
  #last: Gpu[] = [];
  #running: Promise<Gpu[]> | undefined;
  /** NS4; undefined until it was read */
  #cuda: string | undefined;

  constructor(command = "nvidia-smi", limitMs = LIMIT_MS) {
    this.#command = command;
    this.#limitMs = limitMs;
  }

  /** Never rejects. */
  async read(): Promise<Gpu[]> {
    if (this.#absent) return []; // NS1
    this.#running ??= this.#query().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #query(): Promise<Gpu[]> {
    const said = await this.#run(ARGUMENTS);
    this.#absent = said === "failed"; // no command, or no driver behind it
    if (said === "failed") return [];
    if (said === "slow") return this.#last; // NS2
    const gpus = parseGpus(said.text);
    if (gpus.length > 0 && this.#cuda === undefined) {
      const head = await this.#run([]);
      if (head !== "slow") this.#cuda = head === "failed" ? "" : cudaIn(head.text); // NS4
    }
    this.#last = gpus.map((gpu) => ({ ...gpu, cuda: this.#cuda ?? "" }));
    return this.#last;
  }

  #run(args: readonly string[]): Promise<{ text: string } | "slow" | "failed"> {
    const options = { timeout: this.#limitMs, killSignal: "SIGKILL", windowsHide: true } as const;
    return new Promise((resolve) => {
      execFile(this.#command, args, options, (error, text) => {
        resolve(error === null ? { text } : error.killed === true ? "slow" : "failed");
      });
    });
  }
}

/** NS4; empty if it is not said */
export const cudaIn = (head: string): string => /CUDA Version\s*:\s*(\d+(?:\.\d+)*)/.exec(head)?.[1] ?? "";

/** Its answer to ARGUMENTS: a line for each GPU, memory in MiB and utilisation in per cent. */
export function parseGpus(csv: string): Gpu[] {
  return csv.split("\n").flatMap((line) => {
    const fields = line.split(",").map((field) => field.trim());
    // a name may hold commas; the other five do not
    const [index = "", ...names] = fields.splice(0, fields.length - 4);
    const [total, used, utilisation, driver] = fields;
    if (!/^\d+$/.test(index) || names.length === 0 || driver === undefined) return []; // NS3
    const gpu: Gpu = {
      index: Number(index),
      name: names.join(", "),
      memory_total: Math.round(figure(total) * MIB),
      memory_used: Math.round(figure(used) * MIB),
      utilisation: Math.min(1, figure(utilisation) / 100),
      driver,
      cuda: "",
    };
    return [gpu];
  });
}

/** 0 for "[N/A]", "[Not Supported]" and what else is no figure. */
const figure = (text: string | undefined): number =>
  text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
