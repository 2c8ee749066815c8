/**
 * A settings file with every key that there is: those that are set, and the others as comments with their default.
 *
 * SE1 The keys and their explanations are those of the schema that reads the file: nothing is explained twice.
 */
import { stringify } from "yaml";

/** shown for the files of mutual TLS */
export const tlsExamples = {
  creds: "./creds",
  tlsCa: "./creds/ca.pem",
  tlsCert: "./creds/cert.pem",
  tlsKey: "./creds/key.pem",
};

export type SettingKey = {
  readonly key: string;
  readonly explanation: string;
  /** undefined: it has none */
  readonly initial: unknown;
};

/** `set`: what is said, by key, in the form of the file; a key that is only shown gets the `example` given. */
export function settingsFile(
  head: readonly string[],
  keys: readonly SettingKey[],
  set: Readonly<Record<string, unknown>>,
  examples: Readonly<Record<string, unknown>> = {},
): string {
  const order = [...keys].sort((a, b) => rank(set, a.key) - rank(set, b.key));
  const parts = order.map(({ key, explanation, initial }) => {
    const given = set[key];
    const shown = given ?? examples[key] ?? initial ?? "…";
    const lines = Array.isArray(shown)
      ? [`${key}: ${JSON.stringify(shown)}`]
      : stringify({ [key]: shown }, { lineWidth: 0 })
          .trimEnd()
          .split("\n");
    return [`# ${explanation}`, ...(given === undefined ? lines.map((line) => `# ${line}`) : lines)].join("\n");
  });
  return `${head.map((line) => `# ${line}`.trimEnd()).join("\n")}\n\n${parts.join("\n\n")}\n`;
}

/** What is set comes first, in the order in which it is given. */
function rank(set: Readonly<Record<string, unknown>>, key: string): number {
  const at = Object.keys(set).indexOf(key);
  return at < 0 ? Number.MAX_SAFE_INTEGER : at;
}
