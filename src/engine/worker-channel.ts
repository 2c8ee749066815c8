/**
 * Requests to a worker and its answers, one at a time.
 *
 * WC1 A worker that is asked gives a sign of life (any frame) within the limit, or it is killed: FL_WORKER_SILENT.
 * WC2 Whatever it says that it may not say ends it: FL_WORKER_PROTOCOL. Its own end is FL_WORKER_CRASHED, or FL_WORKER_START
 *     before it has said hello. Each has the last lines that it printed.
 * WC3 A request has exactly one outcome, and after a failure of the worker (not of the request) every further one has that.
 */
import { z } from "zod";
import { FlError } from "../errors.ts";
import { decode } from "../wire/codec.ts";
import { CHUNK, FrameReader, headOf, malformed } from "./worker-frames.ts";
import { PROTOCOL, type Said, said, type WorkerFailure } from "./worker-messages.ts";
import { type WorkerCommand, WorkerProcess } from "./worker-process.ts";

export type ChannelOptions = WorkerCommand & {
  /** what it prints, a line at a time */
  readonly onLine?: ((line: string) => void) | undefined;
  /** how long it may be silent while it is asked. @default 30 s */
  readonly silenceMs?: number | undefined;
};

export type Exchange = {
  /** bytes that follow the request */
  readonly bodies?: readonly Uint8Array[];
  /** where the chunks go that come before the answer; all of it is filled */
  readonly into?: readonly Uint8Array[];
  readonly onProgress?: (done: number, total: number) => void;
};

type Asked = {
  readonly id: number;
  readonly exchange: Exchange;
  resolve(reply: Extract<Said, { type: "reply" }>): void;
  reject(error: FlError): void;
};

const SILENCE_MS = 30_000;
/** until hello: an interpreter on a cold disk takes its time */
const START_MS = 120_000;

export class WorkerChannel {
  readonly process: WorkerProcess;
  readonly #silenceMs: number;
  readonly #hello: Promise<string>;
  #greet = (_: string): void => {};
  #greeted = false;
  #asked: Asked | undefined;
  #id = 0;
  #failure: FlError | undefined;
  #silence: NodeJS.Timeout | undefined;
  #head: Said | undefined;
  /** of `into`: which one is being filled, and how far */
  #place = { index: 0, at: 0 };

  constructor({ onLine = () => {}, silenceMs = SILENCE_MS, ...command }: ChannelOptions) {
    this.#silenceMs = silenceMs;
    this.process = new WorkerProcess(command, onLine);
    let refuse = (_: FlError): void => {};
    this.#hello = new Promise((resolve, reject) => {
      this.#greet = resolve;
      refuse = reject;
    });
    this.#hello.catch(() => {});
    const reader = new FrameReader({
      onHead: (head, body) => this.#onHead(head, body),
      onFrame: () => this.#onFrame(this.#head!),
    });
    this.process.stdout.on("data", (bytes: Uint8Array) => {
      if (this.#failure !== undefined) return;
      try {
        reader.push(bytes);
      } catch (e) {
        this.#fail(e instanceof FlError ? e : malformed(String(e), e)); // WC2
      }
    });
    void this.process.ended.then((crashed) => {
      const { code, detail } = crashed;
      const unheard = !this.#greeted && this.#failure === undefined && code === "FL_WORKER_CRASHED";
      const failure = this.#failure ?? (unheard ? new FlError("FL_WORKER_START", detail) : crashed);
      // What it printed last is all here only now.
      const told = new FlError(failure.code, { ...failure.detail, tail: detail.tail }, { cause: failure.cause });
      this.#failure = told;
      clearTimeout(this.#silence);
      refuse(told);
      this.#asked?.reject(told);
      this.#asked = undefined;
    });
    this.#watch();
  }

  get isOver(): boolean {
    return this.#failure !== undefined;
  }

  /** Its name. @throws FL_WORKER_START, FL_WORKER_SILENT, FL_WORKER_PROTOCOL */
  hello(): Promise<string> {
    return this.#hello;
  }

  /** @throws what it answers, or its failure (WC2) */
  async request<S extends z.ZodType>(
    message: Readonly<Record<string, unknown>>,
    schema: S,
    exchange: Exchange = {},
  ): Promise<z.output<S>> {
    await this.#hello;
    if (this.#failure !== undefined) {
      await this.process.ended;
      throw this.#failure; // WC3
    }
    if (this.#asked !== undefined) throw new FlError("FL_STATE", { reason: "the worker is at another request" });
    const id = ++this.#id;
    this.#place = { index: 0, at: 0 };
    const answered = new Promise<Extract<Said, { type: "reply" }>>((resolve, reject) => {
      this.#asked = { id, exchange, resolve, reject };
    });
    answered.catch(() => {});
    this.#watch();
    await this.#send({ ...message, id }, exchange.bodies ?? []);
    const reply = await answered;
    if (reply.error !== undefined) throw failureOf(reply.error);
    const parsed = schema.safeParse(reply);
    if (parsed.success) return parsed.data;
    const broken = malformed(`${String(message.type)} is answered with ${z.prettifyError(parsed.error)}`);
    this.#fail(broken);
    throw broken;
  }

  /** What is under way is not wanted any more. */
  cancel(): void {
    this.process.stdin.write(headOf({ type: "cancel" }));
  }

  /** It ends in order, or soon by force. */
  close(): void {
    this.#failure ??= new FlError("FL_STATE", { reason: "the worker is closed" });
    this.process.stdin.write(headOf({ type: "dispose" }));
    this.process.leave();
  }

  /** It ends now; a request under way ends with this. */
  abandon(failure: FlError): void {
    this.#fail(failure);
  }

  async #send(message: Readonly<Record<string, unknown>>, bodies: readonly Uint8Array[]): Promise<void> {
    const { stdin } = this.process;
    stdin.write(headOf(message));
    for (const body of bodies) {
      for (let from = 0; from < body.length; from += CHUNK) {
        const chunk = body.subarray(from, from + CHUNK);
        stdin.cork();
        stdin.write(headOf({ type: "chunk" }, chunk.length));
        const goesOn = stdin.write(chunk);
        stdin.uncork();
        if (!goesOn) await this.#drained();
        if (this.#failure !== undefined) return; // its end is the answer
      }
    }
  }

  /** The pipe has room again, or nobody reads any more. */
  async #drained(): Promise<void> {
    const { stdin } = this.process;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stdin.off("drain", done);
        stdin.off("close", done);
        resolve();
      };
      stdin.once("drain", done);
      stdin.once("close", done);
    });
    this.#watch(); // it reads: a sign of life, too
  }

  #onHead(head: Uint8Array, body: number): Uint8Array | undefined {
    try {
      this.#head = decode(said, head, "msgpack", "frame");
    } catch (e) {
      throw malformed(e instanceof FlError ? String(e.detail.reason) : String(e), e);
    }
    if (this.#head.type !== "chunk") return undefined;
    const { index, at } = this.#place;
    const into = this.#asked?.exchange.into?.[index];
    if (into === undefined || body === 0 || at + body > into.length) {
      throw malformed(`a chunk of ${body} bytes, ${into === undefined ? "and none" : into.length - at} was due`);
    }
    const next = at + body;
    this.#place = next === into.length ? { index: index + 1, at: 0 } : { index, at: next };
    return into.subarray(at, next);
  }

  #onFrame(frame: Said): void {
    if (this.#asked !== undefined) this.#watch();
    switch (frame.type) {
      case "hello":
        if (frame.v !== PROTOCOL) {
          const reason = `${frame.worker} speaks version ${frame.v} of the protocol, this release speaks ${PROTOCOL}`;
          throw new FlError("FL_WORKER_START", { reason });
        }
        clearTimeout(this.#silence);
        this.#greeted = true;
        this.#greet(frame.worker);
        return;
      case "progress":
        this.#asked?.exchange.onProgress?.(frame.done, frame.total);
        return;
      case "reply":
        this.#onReply(frame);
        return;
      case "chunk":
      case "alive":
        return;
    }
  }

  #onReply(reply: Extract<Said, { type: "reply" }>): void {
    const asked = this.#asked;
    if (asked?.id !== reply.id) throw malformed(`an answer to request ${reply.id}, which is not under way`);
    const { into = [] } = asked.exchange;
    if (reply.error === undefined && this.#place.index < into.length) {
      throw malformed(`an answer before all of its bytes: ${this.#place.at} of ${into[this.#place.index]!.length}`);
    }
    this.#asked = undefined;
    clearTimeout(this.#silence);
    asked.resolve(reply);
  }

  /** WC1 */
  #watch(): void {
    clearTimeout(this.#silence);
    if (this.#failure !== undefined) return;
    const limitMs = this.#greeted ? this.#silenceMs : START_MS;
    this.#silence = setTimeout(() => {
      this.#fail(new FlError("FL_WORKER_SILENT", { reason: `no sign of life for ${limitMs / 1000} s` }));
    }, limitMs);
  }

  /** WC3: whoever waits hears of it when the process has ended, with what it printed last. */
  #fail(failure: FlError): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    clearTimeout(this.#silence);
    this.process.kill();
  }
}

/** What a worker answers as an error: its traceback is the stack that travels (E4 of src/errors.ts). */
function failureOf({ code, reason, traceback, missing }: WorkerFailure): FlError {
  const detail = { reason, ...(missing === undefined ? {} : { missing }) };
  if (traceback === undefined) return new FlError(code, detail);
  const cause = new Error(reason);
  cause.stack = traceback;
  return new FlError(code, detail, { cause });
}

/** Failures of the worker itself: it is gone, and another one may do better. */
export const isOfWorker = (e: unknown): e is FlError => e instanceof FlError && e.code.startsWith("FL_WORKER_");
