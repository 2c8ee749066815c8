/** What makes a role's folder an image: it begins with the runtime's own (Dockerfile of this repository). */

/** What is the site's own and is mounted rather than copied. */
const IGNORED = [
  "data",
  "logs",
  "cert",
  "creds",
  "entente-nats",
  "*.key",
  "*.pem",
  "*.creds",
  "node_modules",
  ".git",
  "Dockerfile",
];

export function imageFiles(role: "director" | "envoy", version: string): [string, string][] {
  const dockerfile = `# ${role === "envoy" ? "This envoy" : "This Director"} as an image; docs/containers.md of the runtime says how to make entente:${version}.
#
#   docker build -t my-${role} .
#   docker run --init --rm my-${role}
#
# Options that are given replace the command: docker run --init --rm my-${role} ${role} --config ${role}.yaml --nats nats://hub:4222
FROM entente:${version}
COPY --chown=node:node . .
CMD ["${role}", "--config", "${role}.yaml"]
`;
  return [
    ["Dockerfile", dockerfile],
    [".dockerignore", `${IGNORED.join("\n")}\n`],
  ];
}
