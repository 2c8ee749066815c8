/**
 * Where a workspace's sources are: a module of one engine, or a folder with one for each.
 *
 * SR1 In a folder they have their names: workspace.ts (.mts, .js, .mjs), workspace.py, workspace.json. Those that are there side by
 *     side are one experiment, for sites of either kind.
 * SR2 A path to a file is that file alone; its ending says whose it is.
 */
import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { FlError } from "../errors.ts";
import type { EngineName } from "./engines.ts";

export const SOURCES = {
  tfjs: ["workspace.ts", "workspace.mts", "workspace.js", "workspace.mjs"],
  python: ["workspace.py"],
  worker: ["workspace.json"],
} as const satisfies Record<EngineName, readonly string[]>;

export type Sources = Partial<Record<EngineName, string>>;

/** @throws FL_WORKSPACE_INVALID for a folder with none */
export async function workspaceSources(path: string): Promise<Sources> {
  if (!(await stat(path).catch(() => undefined))?.isDirectory()) return { [engineOf(path)]: path }; // SR2
  const there = await readdir(path);
  const found = Object.entries(SOURCES).flatMap(([engine, names]) => {
    const name = names.find((n) => there.includes(n));
    return name === undefined ? [] : [[engine, join(path, name)] as const];
  });
  if (found.length > 0) return Object.fromEntries(found);
  const names = Object.values(SOURCES).flat().join(", ");
  throw new FlError("FL_WORKSPACE_INVALID", { reason: `there is no ${names} in ${path}` });
}

const engineOf = (path: string): EngineName =>
  extname(path) === ".py" ? "python" : extname(path) === ".json" ? "worker" : "tfjs";
