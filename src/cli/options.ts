/**
 * Options of a command, made from the schema of what the role is told: same names, same descriptions.
 *
 * T1 A key `sampleShape` is the option `--sample-shape`; numbers and JSON are read as such, text as it is, and what is said or
 *    not takes no value. The role's own schema judges the values.
 * T2 An option that is not given says nothing: a file may say it (src/cli/settings.ts), else the schema's default holds, which is
 *    shown.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { z } from "zod";
import { durationMs } from "../plan/duration.ts";
import { objectsOf } from "../validate.ts";

/** Adds an option for each key that is not in `except`. */
export function withSettings(command: Command, schema: z.ZodObject, except: readonly string[]): Command {
  for (const [key, value] of Object.entries(schema.shape)) {
    if (except.includes(key)) continue;
    const kind = (objectsOf(value as z.ZodType)[0]?._zod.def.type ?? "string") as string;
    const flag = key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
    if (kind === "boolean") {
      command.option(`--${flag}`, describe(value as z.ZodType));
      continue;
    }
    const shown = kind === "number" ? "<n>" : kind === "string" || kind === "enum" ? "<word>" : "<json>";
    const initial = initialOf(value as z.ZodType);
    const shownInitial = initial === undefined ? "" : ` (default: ${JSON.stringify(initial)})`;
    const option = new Option(`--${flag} ${shown}`, describe(value as z.ZodType) + shownInitial); // T2
    if (kind === "number") option.argParser(number);
    else if (shown === "<json>") option.argParser(json);
    command.addOption(option);
  }
  return command;
}

/** What a schema says of itself, or what is inside it. */
export function describe(schema: z.ZodType): string {
  const inner = (schema as { _zod: { def: { innerType?: z.ZodType } } })._zod.def.innerType;
  return schema.description ?? (inner === undefined ? "" : describe(inner));
}

/** Its default; undefined if it has none. */
export function initialOf(schema: z.ZodType): unknown {
  const { def } = schema._zod as unknown as { def: { type: string; defaultValue?: unknown; innerType?: z.ZodType } };
  if (def.type === "default") return def.defaultValue;
  return def.type === "optional" && def.innerType !== undefined ? initialOf(def.innerType) : undefined;
}

export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("it must be a number.");
  return value;
}

export function positive(text: string): number {
  const value = number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("it must be a whole number from 1.");
  return value;
}

export function port(text: string): number {
  const value = number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535) throw new InvalidArgumentError("it must be a port.");
  return value;
}

/** An option that may be given again. */
export const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];

/** of the roles' `--sink` */
export const sinkHelp =
  "a metric sink for every experiment: tensorboard=DIR, csv=DIR/{experiment}.csv, ./module.ts; may be given again";

/** A JSON object. */
export function json(text: string): Record<string, unknown> {
  const value = parsed(text);
  if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  throw new InvalidArgumentError("it must be JSON.");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** 2s, 500ms, 1m */
export function period(text: string): number {
  const ms = durationMs(/^\d+$/.test(text) ? Number(text) : text);
  if (ms === undefined) throw new InvalidArgumentError("it must be a duration such as 2s.");
  return ms;
}
