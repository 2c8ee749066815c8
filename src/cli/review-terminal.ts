/**
 * Reviews at the terminal of the command that runs a role: one question at a time, on stderr.
 *
 * T1 A question ends with the first decision, wherever it is made; one that was decided elsewhere says so.
 * T2 Nothing is approved without a yes: an empty line, an end of input or Ctrl-C approves nothing.
 */
import { createInterface } from "node:readline/promises";
import type { Decision, ReviewRequest } from "../parts/reviewer.ts";
import type { PendingReview } from "../wire/messages.ts";
import type { Paint } from "./console.ts";
import { planLines, reviewLines, sourceLines } from "./review-view.ts";

export type Terminal = {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly paint: Paint;
  /** who sits here */
  readonly by: string;
  /** Ctrl-C, which a question keeps from the process */
  interrupt(): void;
};
type Asked = {
  readonly request: ReviewRequest;
  readonly decide: (decision: Decision) => void;
  readonly over: AbortController;
};

export class ReviewTerminal {
  readonly #terminal: Terminal;
  readonly #queue: Asked[] = [];
  #asking = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  ask(request: ReviewRequest, decide: (decision: Decision) => void): void {
    this.#queue.push({ request, decide, over: new AbortController() });
    if (!this.#asking) void this.#work();
  }

  /** The decision is not needed any more. */
  settled(experiment: string): void {
    for (const { request, over } of this.#queue) if (request.experiment === experiment) over.abort();
  }

  async #work(): Promise<void> {
    this.#asking = true;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const decision = await this.#one(next).catch(() => undefined);
      if (decision !== undefined && !next.over.signal.aborted) next.decide(decision);
      else if (next.over.signal.aborted) this.#say(`\n${next.request.experiment} needs no decision here any more.`);
      this.#queue.shift();
    }
    this.#asking = false;
  }

  /** Undefined: nothing was decided (T2). @throws when the question is over */
  async #one({ request, over }: Asked): Promise<Decision | undefined> {
    const { input, output, paint, by, interrupt } = this.#terminal;
    if (over.signal.aborted) return undefined;
    const { experiment, owner, files, plan } = request;
    this.#say("");
    for (const line of reviewLines(this.#terminal, pending(request), plan, entries(request))) this.#say(line);
    const lines = createInterface({ input, output });
    lines.on("SIGINT", interrupt);
    const ended = new Promise<undefined>((resolve) => lines.once("close", () => resolve(undefined)));
    const question = (text: string): Promise<string | undefined> =>
      Promise.race([lines.question(text, { signal: over.signal }), ended]);
    try {
      for (;;) {
        const said = (await question(`approve ${experiment}? [y]es, [n]o, [p]lan, or a file's number: `))?.trim();
        if (said === undefined) return undefined;
        const file = files[Number(said) - 1];
        if (/^y(es)?$/i.test(said)) return { approved: true, by };
        if (/^n(o)?$/i.test(said)) {
          const reason = (await question(`why? (told to ${owner}) `))?.trim();
          return { approved: false, by, ...(reason ? { reason } : {}) };
        }
        if (/^p(lan)?$/i.test(said)) for (const line of planLines(plan)) this.#say(`  ${line}`);
        else if (file?.text === null) this.#say(`${file.path} is no text that can be shown`);
        else if (file !== undefined) for (const line of sourceLines(file.text!, paint.dim)) this.#say(line);
      }
    } finally {
      lines.close();
    }
  }

  #say(line: string): void {
    this.#terminal.output.write(`${line}\n`);
  }
}

const entries = ({ files }: ReviewRequest) => files.map(({ text, ...file }) => ({ ...file, text: text !== null }));

const pending = (request: ReviewRequest): PendingReview => ({
  ...{ experiment: request.experiment, owner: request.owner, since: 0, deadline_at: null },
  ...{ plan_digest: request.planDigest, archive_digest: request.archiveDigest },
  ...{ files: request.files.length, bytes: request.files.reduce((sum, file) => sum + file.bytes, 0) },
  ...{ dependencies: { ...request.dependencies }, collaborators: [...request.collaborators] },
});
