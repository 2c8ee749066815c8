/** A Director's folder: its settings, and those of the NATS server that everybody connects to. */

import { imageFiles } from "./image.ts";
import { type SettingKey, settingsFile, tlsExamples } from "./settings-file.ts";

export type DirectorFolder = {
  readonly keys: readonly SettingKey[];
  readonly nats: string;
  readonly fed: string;
  /** of the runtime */
  readonly version: string;
  /** the runtime's own settings of a NATS server */
  readonly natsConf: string;
};

export const directorFolder = ({ keys, nats, fed, version, natsConf }: DirectorFolder): Map<string, string> =>
  new Map([
    [
      "director.yaml",
      settingsFile(
        [
          "The settings of a Director:",
          "",
          "  entente director --config director.yaml",
          "",
          "Paths start from this folder; options of the command count over what is said here. What is commented out shows",
          "its default, or an example.",
        ],
        keys,
        { nats, fed },
        {
          ...{
            period: "10s",
            sampleShape: [2],
            targetShape: [3],
            sinks: ["csv=metrics/{experiment}.csv"],
            review: "auto",
          },
          ...tlsExamples,
        },
      ),
    ],
    ["nats.conf", natsConf],
    ...imageFiles("director", version),
    ["README.md", readme(nats)],
  ]);

const readme = (nats: string): string => `# A Director

The long-lived centre of a federation: data owners' envoys register here, experiments are queued and reviewed here.

\`\`\`
nats-server -c nats.conf                     # the server that everybody connects to; this folder is where it keeps its data
entente director --config director.yaml
\`\`\`
- \`entente status --envoys --nats ${nats}\` shows who is registered.
- With \`review: prompt\` in director.yaml nothing is distributed before somebody approves it: at the Director's own terminal, or
  from anywhere with \`entente review --nats ${nats}\`.
- \`Dockerfile\` makes an image of this folder; the server runs from its own (docs/containers.md of the runtime).
- A data owner's folder is made by \`entente init envoy DIR\`, a data scientist's by \`entente init experiment DIR\`.
`;
