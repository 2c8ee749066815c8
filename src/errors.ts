/**
 * Every failure this runtime can raise, as one closed table, and the one class that carries it.
 *
 * E1 The code is public API; the sentence and the hint are not. Branch on `err.code`, never on text or class.
 * E2 `detail` is plain JSON: it crosses the wire and is stored with a failed experiment.
 * E3 docs/errors.md lists exactly these codes (test/errors.test.ts).
 * E4 A stack crosses the wire where it leads to something that can be mended: a bug's own, and that of what users' code
 *    threw. An expected refusal has none.
 */
export const codes = {
  // wire and tensors
  FL_MESSAGE_MALFORMED: {
    retryable: false,
    text: "a message does not decode or does not fit its schema",
    hint: "compare the payload with docs/protocol.md",
  },
  FL_SUBJECT_TOKEN: {
    retryable: false,
    text: "a name cannot be used as a subject token",
    hint: "use letters, digits, '-' and '_' only, at most 64 characters",
  },
  FL_FRAME_MALFORMED: {
    retryable: false,
    text: "a tensor frame does not decode",
    hint: "the sender and the receiver may run different versions",
  },
  FL_FRAME_CHECKSUM: {
    retryable: true,
    text: "a tensor frame's checksum does not match its bytes",
    hint: "the frame is asked for again; if this repeats, suspect memory or a proxy on the way",
  },
  FL_CODEC_MALFORMED: {
    retryable: false,
    text: "compressed tensors do not decode",
    hint: "the sender must use the codecs of the plan, in the versions of docs/protocol.md",
  },
  FL_LAYOUT_MISMATCH: {
    retryable: false,
    text: "a tensor set does not have the experiment's layout",
    hint: "every collaborator must build the same model: same names, dtypes and shapes",
  },
  FL_UPDATE_RANGE: {
    retryable: false,
    text: "an update holds a value that is not finite or is out of range",
    hint: "training diverged on this collaborator; lower the learning rate",
  },
  // bus and record
  FL_NATS_UNREACHABLE: {
    retryable: true,
    text: "no NATS server answers at this address",
    hint: "check --nats, or leave it out to let entente start a server of its own",
  },
  FL_DENIED: {
    retryable: false,
    text: "the NATS server does not let this name do that",
    hint: "docs/security.md says who may do what; entente pki list shows who is in",
  },
  FL_NATS_TOO_OLD: {
    retryable: false,
    text: "the NATS server is older than this runtime can use",
    hint: "use nats-server 2.9.10 or newer",
  },
  FL_NATS_NOT_FOUND: {
    retryable: false,
    text: "no nats-server could be found or fetched",
    hint: "install nats-server (Debian: apt-get install nats-server), or set NATS_SERVER to its path",
  },
  FL_NATS_START: {
    retryable: false,
    text: "the nats-server did not start",
    hint: "its last lines are in the detail",
  },
  FL_NO_RESPONDER: {
    retryable: true,
    text: "nobody answers on this subject",
    hint: "is the role that serves it running? entente status shows who is",
  },
  FL_TIMEOUT: {
    retryable: true,
    text: "a request was not answered in time",
    hint: "the peer may be gone or overloaded; entente status shows who is alive",
  },
  FL_CLOSED: { retryable: false, text: "the connection is closed", hint: "the process is shutting down" },
  FL_FENCED: {
    retryable: false,
    text: "another owner has written this record since",
    hint: "two processes run under the same name; this one has stopped",
  },
  FL_NOT_FOUND: { retryable: false, text: "there is no such thing under this name", hint: "check the name" },
  FL_EXISTS: { retryable: false, text: "the name is taken", hint: "choose another name" },
  FL_PLAN_DISAGREED: {
    retryable: false,
    text: "two parties read the plan otherwise",
    hint: "run one release of Entente everywhere, and submit again",
  },
  FL_DIGEST_MISMATCH: {
    retryable: false,
    text: "a stored object does not have the digest it was announced with",
    hint: "upload it again",
  },
  FL_NOT_PROVIDED: {
    retryable: false,
    text: "an actor ran a part that nobody provided",
    hint: "this is a wiring bug in an entrypoint",
  },
  FL_SNAPSHOT_VERSION: {
    retryable: false,
    text: "a stored snapshot has a version this release does not read",
    hint: "finish running experiments before upgrading across snapshot versions",
  },
  // plan, workspace, parts
  FL_PLAN_INVALID: { retryable: false, text: "the plan is not valid", hint: "docs/plan.md lists every key" },
  FL_IMPORT_INVALID: {
    retryable: false,
    text: "what is to be imported cannot be read as such",
    hint: "docs/coming-from-openfl.md says what is expected",
  },
  FL_WORKSPACE_INVALID: {
    retryable: false,
    text: "the workspace is not valid",
    hint: "a workspace is a module whose default export is defineExperiment({ … })",
  },
  FL_ARCHIVE_INVALID: {
    retryable: false,
    text: "the workspace archive is not acceptable",
    hint: "docs/workspace.md states its form and limits",
  },
  FL_DEPENDENCIES_REFUSED: {
    retryable: false,
    text: "the experiment needs packages that this site does not install",
    hint: "bundle them, or ask the site to run its envoy with --dependencies install",
  },
  FL_INSTALL_FAILED: {
    retryable: false,
    text: "the packages that the experiment needs could not be installed",
    hint: "the installer's last lines are in the detail",
  },
  FL_PART_UNKNOWN: {
    retryable: false,
    text: "no part has this name",
    hint: "use a built-in name, a module path (./file.ts) or nats:<name>",
  },
  FL_PART_FAILED: { retryable: false, text: "a swappable part failed", hint: "the cause is its own error" },
  FL_PART_LOST: {
    retryable: true,
    text: "a swappable part that ran elsewhere is gone, and this round's work with it",
    hint: "the round is done again from its updates; the part's own log says why it ended",
  },
  FL_SHARD_INVALID: {
    retryable: false,
    text: "the shard descriptor is not valid",
    hint: "a shard is a module whose default export is defineShard({ … })",
  },
  FL_SHARD_FAILED: {
    retryable: false,
    text: "a shard could not be loaded",
    hint: "the stack is the shard's own",
  },
  FL_ENGINE_UNAVAILABLE: {
    retryable: false,
    text: "the engine's backend is not available here",
    hint: "leave --backend out to let the best one be chosen",
  },
  FL_WORKER_START: {
    retryable: false,
    text: "the worker that trains could not be started",
    hint: "its last lines are in the detail; check --python, or the worker's command (docs/pytorch.md)",
  },
  FL_WORKER_CRASHED: {
    retryable: false,
    text: "the worker that trains ended while it was needed",
    hint: "its last lines are in the detail; the next round starts another one",
  },
  FL_WORKER_SILENT: {
    retryable: false,
    text: "the worker that trains gave no sign of life, or took longer than it may",
    hint: "look for a deadlock in the task; --task-limit says how long one may take at this site",
  },
  FL_WORKER_PROTOCOL: {
    retryable: false,
    text: "the worker that trains said something it may not say",
    hint: "docs/worker-protocol.md says what a worker may say; stdout is for frames only",
  },
  FL_TASK_UNKNOWN: {
    retryable: false,
    text: "the plan names a task that the workspace does not define",
    hint: "built-in tasks are train and validate; others are functions of the workspace",
  },
  FL_TASK_FAILED: { retryable: false, text: "a task threw an error", hint: "the stack is the workspace's own" },
  FL_TASK_TIMEOUT: {
    retryable: false,
    text: "a task took longer than its timeout",
    hint: "raise the task's timeout or give it less to do; with a quorum below all a round goes on without it",
  },
  // federation
  FL_NO_QUORUM: {
    retryable: false,
    text: "the deadline passed with fewer updates than the quorum",
    hint: "lower quorum, raise deadline, or look at which collaborators were lost",
  },
  FL_NO_COLLABORATORS: {
    retryable: false,
    text: "no envoy can take part in this experiment",
    hint: "entente status --envoys lists who is registered",
  },
  FL_PROCESS_CRASHED: {
    retryable: false,
    text: "a child process ended again and again without finishing its work",
    hint: "its last lines are in the detail",
  },
  FL_SHARD_REFUSED: {
    retryable: false,
    text: "the Director refused this shard",
    hint: "its sample and target shapes must be the federation's",
  },
  FL_STATE: {
    retryable: false,
    text: "this cannot be done in the present state",
    hint: "entente status shows the state",
  },
  FL_REJECTED: {
    retryable: false,
    text: "the experiment was rejected in review",
    hint: "the reason is the reviewer's own; entente status shows who gave it",
  },
  FL_REVIEW_LIMIT: {
    retryable: false,
    text: "nobody decided about the experiment in time, which counts as rejected",
    hint: "ask whoever reviews there, then submit it again; entente review shows what waits for a decision",
  },
  FL_DEADLINE: {
    retryable: false,
    text: "the experiment's time limit has passed",
    hint: "entente retry goes on from its last checkpoint; entente deadline gives it more time",
  },
  FL_SET_FAILED: {
    retryable: false,
    text: "the experiment was set failed",
    hint: "the reason is that of whoever did so; entente retry goes on from its last checkpoint",
  },
  FL_CANCELLED: { retryable: false, text: "the experiment was cancelled", hint: "" },
  // identity
  FL_TLS: {
    retryable: false,
    text: "the certificate cannot be used",
    hint: "--creds DIR names a folder with ca.pem, cert.pem and key.pem, as entente pki issue makes it",
  },
  FL_PKI: {
    retryable: false,
    text: "the certificate authority cannot do this",
    hint: "docs/security.md shows how certificates are made",
  },
  // command line
  FL_USAGE: { retryable: false, text: "the command line is not valid", hint: "entente --help" },
  FL_CONFIG_INVALID: {
    retryable: false,
    text: "a settings file is not valid",
    hint: "entente init director DIR and entente init envoy DIR write one with every key explained",
  },
  FL_NOT_RUNNING: {
    retryable: false,
    text: "no federation runs here",
    hint: "start one with entente up, or name the server of one that runs elsewhere with --nats URL",
  },
  FL_LOCKED: {
    retryable: false,
    text: "another process uses this directory",
    hint: "stop it first, or choose another --dir",
  },
  FL_INTERNAL: { retryable: false, text: "an unexpected error", hint: "this is a bug; the stack says where" },
} as const satisfies Record<string, { retryable: boolean; text: string; hint: string }>;

export type Code = keyof typeof codes;

/** Bugs of this runtime. */
const bugs: ReadonlySet<Code> = new Set<Code>(["FL_INTERNAL", "FL_NOT_PROVIDED"]);
/** Failures of what users wrote; what their code threw is the cause. */
const ofUsers: ReadonlySet<Code> = new Set<Code>([
  "FL_WORKSPACE_INVALID",
  "FL_PART_FAILED",
  "FL_SHARD_INVALID",
  "FL_SHARD_FAILED",
  "FL_TASK_FAILED",
]);

/** What an error looks like on the wire and in a stored record. */
export type WireError = {
  code: Code;
  message: string;
  detail: Record<string, unknown>;
  stack?: string | undefined;
};

export class FlError extends Error {
  override readonly name = "FlError";
  readonly code: Code;
  readonly detail: Readonly<Record<string, unknown>>;
  /** where it was thrown, as told by the process that it came from */
  #told: { readonly stack: string | undefined } | undefined;

  constructor(code: Code, detail: Record<string, unknown> = {}, options?: ErrorOptions) {
    const said = typeof detail.reason === "string" ? `: ${detail.reason}` : "";
    super(`${codes[code].text}${said}`, options);
    this.code = code;
    this.detail = detail;
  }

  get retryable(): boolean {
    return codes[this.code].retryable;
  }

  get hint(): string {
    return codes[this.code].hint;
  }

  toJSON(): WireError {
    const stack = this.#told === undefined ? this.#origin() : this.#told.stack;
    const { code, message, detail } = this;
    return { code, message, detail: { ...detail }, ...(stack === undefined ? {} : { stack }) };
  }

  /** E4 */
  #origin(): string | undefined {
    const cause = this.cause instanceof Error ? this.cause : undefined;
    if (bugs.has(this.code)) return (cause ?? this).stack;
    return ofUsers.has(this.code) ? cause?.stack : undefined;
  }

  /** The far side of `toJSON`: an error that came over the wire, with its stack kept as it was there. */
  static fromWire({ code, message, detail, stack }: WireError): FlError {
    const e = new FlError(code in codes ? code : "FL_INTERNAL", detail);
    e.message = message;
    e.stack = stack ?? `${e.name}: ${message}`; // this process's own would mislead
    e.#told = { stack };
    return e;
  }
}

/** Any thrown value as an FlError: itself, or wrapped with `fallback` and the original as cause. */
export function asFlError(e: unknown, fallback: Code = "FL_INTERNAL"): FlError {
  if (e instanceof FlError) return e;
  const reason = e instanceof Error ? e.message : String(e);
  return new FlError(fallback, { reason }, { cause: e });
}

export const fromWire = (error: WireError): FlError => FlError.fromWire(error);
