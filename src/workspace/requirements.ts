/**
 * What a Python workspace needs beside its own files: the requirements.txt of its archive.
 *
 * Owns how requirements are named and which will do; src/workspace/virtual-environment.ts installs them.
 * RQ1 A requirement is a package with its versions, for the site's own pip to find, or a wheel in the archive by its path
 *     (`./vendor/own-1.0-py3-none-any.whl`). Addresses and options are refused: where packages come from is the site's to say.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Code, FlError } from "../errors.ts";
import { type Contents, pathProblem } from "./archive.ts";
import { entriesOf } from "./engines.ts";

export const REQUIREMENTS = "requirements.txt";
const MOST = 100;
const LONGEST = 200;
const NAMED = /^[A-Za-z0-9][A-Za-z0-9._-]*(\s*\[[A-Za-z0-9,._ -]*\])?\s*([<>=!~][<>=!~A-Za-z0-9.,*+ -]*)?(\s*;[^@]*)?$/;

/** `file`: the path in the archive, of one that came along. */
export type Requirement = { readonly text: string; readonly file?: string };

/** @throws FlError with the code, naming the line */
export function requirementsOf(text: string, code: Code): Requirement[] {
  const found: Requirement[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const said = line.replace(/(^|\s)#.*$/, "").trim();
    if (said === "") continue;
    const path = said.startsWith("./") ? said.replace(/^(\.\/)+/, "") : undefined;
    const fits = path === undefined ? NAMED.test(said) : pathProblem(path) === undefined && path.endsWith(".whl");
    if (!fits || said.length > LONGEST) {
      const reason = `${REQUIREMENTS}, line ${i + 1}: ${said.slice(0, LONGEST)} is no package with its versions, nor ./a.whl`;
      throw new FlError(code, { reason, line: i + 1 });
    }
    found.push(path === undefined ? { text: said } : { text: said, file: path });
  }
  if (found.length > MOST) throw new FlError(code, { reason: `${REQUIREMENTS}: more than ${MOST} requirements` });
  return found;
}

/** What the archive of these files asks of a site's pip, as a reviewer sees it: `python:scipy` → its versions, or its wheel. */
export function requirementsAsked({ manifest, files }: Contents): Record<string, string> {
  if (!entriesOf(manifest).has("python")) return {};
  const text = Buffer.from(files.get(REQUIREMENTS) ?? []).toString("utf8");
  const asked = requirementsOf(text, "FL_ARCHIVE_INVALID").map(({ text, file }) => {
    const [name = text] = /^[A-Za-z0-9._-]+/.exec(file === undefined ? text : file.split("/").at(-1)!) ?? [];
    return [`python:${name}`, file === undefined ? text.slice(name.length).trim() || "*" : `file:${file}`];
  });
  return Object.fromEntries(asked);
}

/** Those of an opened archive. @throws FL_ARCHIVE_INVALID */
export async function requirementsIn(dir: string): Promise<Requirement[]> {
  const text = await readFile(join(dir, REQUIREMENTS), "utf8").catch(() => "");
  return requirementsOf(text, "FL_ARCHIVE_INVALID");
}
