/**
 * What becomes of each key of OpenFL's plan: one row a key, the only place that knows.
 *
 * K1 The first row whose path fits decides: `*` stands for any one name, `[]` for any item of a list.
 * K2 A row takes the whole value below it, unless a further row goes deeper. What no row fits is unknown, and the nearest key
 *    is named.
 * K3 A row's verdict is that of its reading, where more than the value decides; else that of its case, which is the value or
 *    the last part of a dotted class name; else what is said otherwise.
 * K4 Keys of OpenFL 1.5 to 1.9. docs/coming-from-openfl.md has this table (test/openfl/keys.test.ts).
 */
import { pipeline, pipelineSetting } from "./compressing.ts";
import type { Facts } from "./facts.ts";
import { implied, mapped, none, renamed, unknown, type Verdict } from "./finding.ts";
import * as read from "./readings.ts";
import type { Sourced } from "./source.ts";

export type Path = readonly (string | number)[];
export type Reading = (node: Sourced, path: Path, facts: Facts) => Verdict | undefined;
export type Row = {
  readonly key: string;
  readonly otherwise: Verdict;
  readonly cases?: Readonly<Record<string, Verdict>>;
  readonly reading?: Reading;
};

type More = Pick<Row, "cases" | "reading">;
const row = (key: string, otherwise: Verdict, more: More = {}): Row => ({ key, otherwise, ...more });

const resolved = implied("read, and laid under what the section itself says");
const ownClass = (what: string): Verdict => none(`${what} of one's own: Python does not travel here`);
const exact = implied("updates travel as full weights, exact to the bit");
const delta = mapped("delta", "updates travel as differences from the global model", true);
const withOptimizer =
  "together with the argument optimizer of train: momentum or adam, which a Python task had in its code";
const lossy = none("no counterpart: a pipeline of one's own; weights travel as they are");
const compressed = mapped("compression", "with delta_updates; else it compresses nothing in OpenFL on the way up");
const files = (which: string): Verdict =>
  renamed(`entente model NAME --${which} --out DIR`, "stored with every round, written to files when asked for");
const shard = renamed("entente envoy --params", "the data owner's: a parameter of the shard");
const tls = renamed("--creds DIR", "mutual TLS with the NATS server; entente pki makes the certificates");
const code = renamed("workspace", "code is one module, bundled with what it needs and named by its digest");
const noAttestation = none("no counterpart: nothing is attested");
const grouped = implied("there is one group, or one in force: everybody does its tasks");
const atCutoff = implied("stragglers: cutoff, if it has a time");
const atShare = implied("stragglers: percentage, if its share is below all");
const forAll = implied("a round waits for everyone unless it has a deadline");
const ownAssigner = renamed("assigner", "a module of your own, called each round: ./mine.ts");
const ownPolicy = renamed("stragglers", "a module of your own: ./mine.ts");
const masked = none("no counterpart: updates are not masked");

export const planKeys: readonly Row[] = [
  row("*.defaults", resolved, { cases: { null: implied("names no file") } }),

  row("aggregator.template", ownClass("an Aggregator"), { cases: { Aggregator: implied("the Aggregator") } }),
  row("aggregator.settings.rounds_to_train", mapped("rounds", "how many times the model goes out and comes back"), {
    reading: read.rounds,
  }),
  row(
    "aggregator.settings.init_state_path",
    renamed("workspace model()", "the workspace builds the first model, its weights drawn from the plan's seed"),
  ),
  row("aggregator.settings.best_state_path", files("best")),
  row("aggregator.settings.last_state_path", files("last")),
  row("aggregator.settings.db_store_rounds", implied("updates are added as they come; memory does not grow by rounds")),
  row(
    "aggregator.settings.write_logs",
    renamed("entente metrics NAME", "every metric is kept and read from the start"),
  ),
  row(
    "aggregator.settings.log_metric_callback",
    renamed("entente metrics NAME --follow --json", "a reader of its own, as many as you like, at any time"),
  ),
  row("aggregator.settings.single_col_cert_common_name", none("no counterpart: each envoy goes by its own name"), {
    cases: { null: implied("each envoy goes by its own name"), "": implied("each envoy goes by its own name") },
  }),
  row("aggregator.settings.use_delta_updates", delta, { cases: { false: exact, null: exact } }),
  row("aggregator.settings.persist_checkpoint", none("a round is stored before the next one opens, always"), {
    cases: { true: implied("a round is always stored before the next one opens") },
  }),
  row("aggregator.settings.persistent_db_path", implied("the server keeps what must last")),
  row(
    "aggregator.settings.save_native_model",
    renamed("entente model NAME --out DIR", "TensorFlow.js files and safetensors, which any framework reads"),
  ),
  row("aggregator.settings.log_memory_usage", renamed("entente status --envoys", "each envoy reports its machine")),
  row("aggregator.settings.callbacks", none("no counterpart: follow events and metrics from a program of your own")),
  row("aggregator.settings.secure_aggregation", masked, { cases: { false: implied("nothing is masked") } }),
  row("aggregator.settings.enable_remote_attestation", noAttestation, {
    cases: { false: implied("nothing is attested") },
  }),

  row("collaborator.template", ownClass("a Collaborator"), { cases: { Collaborator: implied("the Collaborator") } }),
  row("collaborator.settings.delta_updates", delta, { cases: { false: exact, null: exact } }),
  row("collaborator.settings.use_delta_updates", delta, { cases: { false: exact, null: exact } }),
  row("collaborator.settings.opt_treatment", unknown("OpenFL knows RESET, CONTINUE_LOCAL and CONTINUE_GLOBAL"), {
    cases: {
      RESET: implied("the optimizer is made anew each round"),
      CONTINUE_LOCAL: renamed("optimizer: local", withOptimizer),
      CONTINUE_GLOBAL: renamed("optimizer: global", withOptimizer),
    },
  }),
  row("collaborator.settings.device_assignment_policy", unknown("OpenFL knows CPU_ONLY and CUDA_PREFERRED"), {
    cases: {
      CPU_ONLY: mapped("engine.device", "on the CPU of every machine", "cpu"),
      CUDA_PREFERRED: mapped("engine.device", "the GPU of each machine that has one", "gpu-preferred"),
    },
  }),
  row("collaborator.settings.db_store_rounds", implied("a collaborator keeps nothing between rounds")),
  row("collaborator.settings.epochs_per_round", implied("OpenFL ignores it too; epochs are an argument of the task")),
  row("collaborator.settings.polling_interval", implied("nobody polls: work is pushed")),
  row("collaborator.settings.enable_remote_attestation", noAttestation, {
    cases: { false: implied("nothing is attested") },
  }),

  row("data_loader.template", renamed("entente envoy --shard", "a data loader is a shard module, at its data owner's")),
  row("data_loader.settings.batch_size", mapped("tasks[].arguments.batchSize", "of tasks without one of their own"), {
    reading: read.batchSize,
  }),
  row("data_loader.settings.train_bs", mapped("tasks[].arguments.batchSize", "of the training tasks"), {
    reading: read.batchSize,
  }),
  row("data_loader.settings.valid_bs", mapped("tasks[].arguments.batchSize", "of the validating tasks"), {
    reading: read.batchSize,
  }),
  row("data_loader.settings.collaborator_count", implied("each envoy has a shard of its own")),
  row("data_loader.settings.*", shard),

  row("task_runner.template", mapped("workspace", "to be written again, in TypeScript", "./workspace.ts")),
  row(
    "task_runner.required_plugin_components.framework_adapters",
    none("models are written for TensorFlow.js; they leave as safetensors, which any framework reads"),
  ),
  row(
    "task_runner.settings.learning_rate",
    mapped("tasks[].arguments.learningRate", "of plain SGD, unless the argument optimizer says otherwise"),
    {
      reading: read.learningRate,
    },
  ),
  row(
    "task_runner.settings.lr",
    mapped("tasks[].arguments.learningRate", "of plain SGD, unless the argument optimizer says otherwise"),
    {
      reading: read.learningRate,
    },
  ),
  row("task_runner.settings.*", renamed("workspace", "a constant of the workspace, or an argument of its tasks")),

  row("network.template", implied("the network is a NATS server")),
  row("network.settings.agg_addr", renamed("--nats URL", "everybody connects to the server, nobody to the Aggregator")),
  row("network.settings.agg_port", renamed("--nats URL", "one port, the server's, for any number of experiments")),
  row("network.settings.tls", tls, { cases: { false: implied("without TLS") } }),
  row("network.settings.use_tls", tls, { cases: { false: implied("without TLS") } }),
  row("network.settings.disable_client_auth", tls),
  row("network.settings.require_client_auth", tls),
  row("network.settings.cert_folder", tls),
  row("network.settings.client_reconnect_interval", implied("connections come back by themselves")),
  row("network.settings.hash_salt", implied("OpenFL reads it nowhere")),
  row("network.settings.transport_protocol", implied("the protocol is NATS")),

  row("assigner.template", ownAssigner, {
    reading: read.assigner,
    cases: { RandomGroupedAssigner: grouped, StaticGroupedAssigner: grouped },
  }),
  row("assigner.settings.task_groups[].name", implied("a name for the group alone")),
  row("assigner.settings.task_groups[].percentage", implied("one group: everybody is in it"), {
    reading: read.groupPart,
  }),
  row("assigner.settings.task_groups[].collaborators", mapped("collaborators", "who takes part"), {
    reading: read.groupPart,
  }),
  row("assigner.settings.task_groups[].tasks", mapped("tasks", "in this order"), { reading: read.groupTasks }),
  row("assigner.settings.selected_task_group", mapped("tasks", "the tasks of this group alone"), {
    reading: read.selected,
  }),
  row("assigner.settings.*", renamed("assigner.options", "what an assigner of one's own is told")),

  row("tasks.settings.*", none("no counterpart: what another framework's tasks are told")),
  row("tasks.*.function", mapped("tasks[].task", "train and validate are built in, others are the workspace's"), {
    reading: read.fn,
  }),
  row("tasks.*.kwargs.apply", mapped("tasks[].on", "global is the model that came in, local the one after training"), {
    reading: read.apply,
  }),
  row("tasks.*.kwargs.metrics", implied("loss, and accuracy where there are classes, are always measured"), {
    reading: read.metrics,
  }),
  row("tasks.*.kwargs.batch_size", mapped("tasks[].arguments.batchSize", "of this task"), { reading: read.argument }),
  row("tasks.*.kwargs.epochs", mapped("tasks[].arguments.epochs", "of this task"), { reading: read.argument }),
  row(
    "tasks.*.kwargs.learning_rate",
    mapped("tasks[].arguments.learningRate", "of plain SGD, unless the argument optimizer says otherwise"),
    {
      reading: read.argument,
    },
  ),
  row(
    "tasks.*.kwargs.lr",
    mapped("tasks[].arguments.learningRate", "of plain SGD, unless the argument optimizer says otherwise"),
    {
      reading: read.argument,
    },
  ),
  row("tasks.*.kwargs.num_batches", mapped("tasks[].arguments.samples", "so many batches' worth, drawn each round"), {
    reading: read.argument,
  }),
  row("tasks.*.kwargs.*", none("the built-in task takes no such argument; one of the workspace may"), {
    reading: read.ownArgument,
  }),
  row("tasks.*.aggregation_type.template", none("fedavg until the class is written again as aggregation: ./mine.ts"), {
    reading: read.aggregation,
    cases: {
      WeightedAverage: mapped("aggregation", "the mean, weighted by samples", "fedavg"),
      Median: mapped("aggregation", "of each element, every update one vote", "median"),
      GeometricMedian: mapped("aggregation", "of whole updates, not of tensors", "geometric_median"),
      AdagradAdaptiveAggregation: mapped("aggregation", "Adagrad at the server, as its paper has it", "fedadagrad"),
      AdamAdaptiveAggregation: mapped("aggregation", "Adam at the server, as its paper has it", "fedadam"),
      YogiAdaptiveAggregation: mapped("aggregation", "Yogi at the server, as its paper has it", "fedyogi"),
      FedCurvWeightedAverage: mapped("aggregation", "with its penalty in the built-in train", "fedcurv"),
      SecureWeightedAverage: masked,
    },
  }),
  row("tasks.*.aggregation_type.settings.*", none("goes with its class"), { reading: read.aggregationSetting }),

  row("compression_pipeline.template", lossy, {
    cases: {
      NoCompressionPipeline: exact,
      RandomShiftPipeline: implied("its shift travelled beside the values, so it hid nothing"),
      STCPipeline: compressed,
      SKCPipeline: compressed,
      KCPipeline: compressed,
      EdenPipeline: compressed,
    },
    reading: pipeline,
  }),
  row("compression_pipeline.settings.*", compressed, { reading: pipelineSetting }),

  row("straggler_handling_policy.template", ownPolicy, {
    cases: {
      CutoffTimeBasedStragglerHandling: atCutoff,
      CutoffTimePolicy: atCutoff,
      PercentageBasedStragglerHandling: atShare,
      PercentagePolicy: atShare,
      WaitForAllPolicy: forAll,
      NoPolicy: forAll,
    },
  }),
  row(
    "straggler_handling_policy.settings.straggler_cutoff_time",
    mapped("stragglers", "from then on the quorum is enough"),
    { reading: read.cutoff },
  ),
  row("straggler_handling_policy.settings.minimum_reporting", mapped("quorum", "no round counts with fewer"), {
    reading: read.minimum,
  }),
  row(
    "straggler_handling_policy.settings.percent_collaborators_needed",
    mapped("stragglers", "a round closes as soon as so many are in"),
    { reading: read.share },
  ),
  row("straggler_handling_policy.settings.*", renamed("stragglers.options", "what a policy of one's own is told"), {
    reading: read.stragglerSetting,
  }),

  row("api_layer.required_plugin_components.serializer_plugin", implied("nothing is pickled: code travels as text")),
  row("api_layer.settings.model_interface_file", code),
  row("api_layer.settings.tasks_interface_file", code),
  row("api_layer.settings.dataloader_interface_file", renamed("entente envoy --shard", "data is the data owner's")),
  row(
    "api_layer.settings.aggregation_function_interface_file",
    renamed("aggregation", "a module of your own: ./mine.ts"),
  ),
  row("api_layer.settings.task_assigner_file", ownAssigner),

  row("federated_flow", none("no counterpart: the experimental Workflow API has no rounds and no tasks")),
  row("connector", none("no counterpart: it runs another framework's processes")),
];

export const colsKeys: readonly Row[] = [
  row("collaborators", implied("names nobody, so whoever is registered takes part")),
  row("collaborators[]", mapped("collaborators", "the envoy of that name"), { reading: read.collaborator }),
];
