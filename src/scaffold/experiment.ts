/** A data scientist's folder: a plan, and the workspace that it runs. */
export type ExperimentFolder = { readonly name: string; readonly nats: string };

export const experimentFolder = ({ name, nats }: ExperimentFolder): Map<string, string> =>
  new Map([
    ["plan.yaml", plan(name)],
    ["workspace.ts", WORKSPACE],
    ["README.md", readme(nats)],
  ]);

const plan = (
  name: string,
): string => `# Everything that fixes an experiment but its code and the sites' data. docs/plan.md lists every key.
#
#   entente plan check plan.yaml        what is wrong with it, before anything is sent
#   entente submit plan.yaml --wait     hand it in, and see its rounds
version: 1
name: ${name}

# How often the model goes out, is trained on every site's own data, and comes back combined.
rounds: 5

# The code, from this file on. It is bundled with what it imports, reviewed, and run at every site.
workspace: ./workspace.ts

# Who takes part: all registered envoys, or names: [north, south].
collaborators: all

# With a deadline, a round goes on without those that are late, if at least this share has answered.
# quorum: 80%
# deadline: 2m

# What each site does in a round, in this order.
tasks:
  - { task: validate, on: global } # how good the model is that came in
  - task: train
    arguments: { epochs: 2, batchSize: 16, learningRate: 0.1 }

# How updates become the next model: fedavg, median, or a module of your own (./median.ts).
aggregation: fedavg

# Which model \`entente model --best\` fetches.
best: { metric: validate_global.accuracy, mode: max }
`;

const WORKSPACE = `/**
 * The model, and tasks beside the built-in train and validate. It is built at every site, from the shapes of the sites' data.
 * The last layer gives logits: the default loss applies softmax itself.
 */
import { defineExperiment } from "entente";

export default defineExperiment({
  model: ({ tf, seed, sampleShape, targetShape }) =>
    tf.sequential({
      layers: [
        tf.layers.dense({
          inputShape: [...sampleShape],
          units: 16,
          activation: "relu",
          kernelInitializer: tf.initializers.heNormal({ seed }), // seeded: every site starts from the same weights
        }),
        tf.layers.dense({ units: targetShape[0] ?? 1, kernelInitializer: tf.initializers.glorotNormal({ seed: seed + 1 }) }),
      ],
    }),
});
`;

const readme = (nats: string): string => `# An experiment

A plan and its workspace. Hand it in, look at it, fetch its model:

\`\`\`
entente submit plan.yaml --wait --nats ${nats}
entente status --nats ${nats}
entente model NAME --best --out model --nats ${nats}
\`\`\`
A name is used once: give the next run another one with \`--name\`.
`;
