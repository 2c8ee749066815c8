/** The form of a command: it adds itself to the program, and its work returns the exit status. */
import type { Command } from "commander";
import type { Console } from "./console.ts";

/** Wraps a command's work so that its failure is reported and its status becomes the process's. */
export type Action = <O, A extends (string | undefined)[] = string[]>(
  work: (options: O, out: Console, ...args: A) => Promise<number>,
) => (...given: unknown[]) => Promise<void>;

export type Verb = (program: Command, action: Action) => Command;
