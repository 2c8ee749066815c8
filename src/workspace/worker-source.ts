/**
 * A workspace in any other language as files of an archive: what its workspace.json says.
 *
 * WS1 `command` is what a site runs, in the folder of the opened archive; reviewers see it in the archive's manifest.
 * WS2 `files` travel as they are; the first of them is the entry.
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { FlError } from "../errors.ts";
import { parseStrict } from "../validate.ts";
import { commandSchema, safePath } from "./archive.ts";

const schema = z.strictObject({ command: commandSchema, files: z.array(safePath).min(1) });

export type WorkerSource = {
  readonly command: [string, ...string[]];
  readonly entry: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
};

/** @throws FL_WORKSPACE_INVALID */
export async function workerSource(file: string): Promise<WorkerSource> {
  const invalid = (reason: string, cause: unknown) =>
    new FlError("FL_WORKSPACE_INVALID", { file, reason: `${file}: ${reason}` }, { cause });
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (e) {
    throw invalid(e instanceof SyntaxError ? "it is not JSON" : "it cannot be read", e);
  }
  const { command, files } = parseStrict(schema, value, { code: "FL_WORKSPACE_INVALID", what: file });
  const read = files.map(async (path) => {
    const bytes = await readFile(join(dirname(file), path)).catch((e) => {
      throw invalid(`there is no ${path} beside it`, e);
    });
    return [path, bytes] as const;
  });
  return { command, entry: files[0]!, files: new Map(await Promise.all(read)) };
}
