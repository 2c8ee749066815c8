/**
 * How a command fails: its code, one sentence and what to do, in one place.
 *
 * X1 Exit status: 0 done, 1 failed, 2 the command line is not valid, 130 interrupted.
 */
import { CommanderError } from "commander";
import { asFlError, FlError } from "../errors.ts";
import type { Console } from "./console.ts";

export const INTERRUPTED = 130;

/** Says what went wrong. @returns the exit status (X1) */
export function report(thrown: unknown, out: Console): number {
  const error = thrown instanceof CommanderError ? usage(thrown) : asFlError(thrown);
  const { code, message, detail } = error;
  const hint = typeof detail.hint === "string" ? detail.hint : error.hint;
  out.emit("error", { code, message, hint, detail: { ...detail } });
  out.aside(`${out.paint.red(`error ${code}`)}  ${message}`);
  if (typeof detail.frame === "string") out.aside(detail.frame);
  const { stack } = error.toJSON();
  if (stack !== undefined) out.aside(stack);
  if (hint !== "") out.aside(`${" ".repeat(`error ${code}`.length)}  ${out.paint.dim(hint)}`);
  return code === "FL_USAGE" ? 2 : 1;
}

/** commander's own complaints; its suggestions come in a second line. */
function usage({ message }: CommanderError): FlError {
  const reason = message
    .replace(/^error: /, "")
    .replace(/\n\(?(Did you mean .*?\?)\)?$/, "; $1")
    .replace("Did you", "did you");
  return new FlError("FL_USAGE", { reason });
}
