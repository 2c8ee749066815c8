/** A role's log line, which is NDJSON, as a person reads it: time, level, who, what, and the rest as key=value. */
export function readable(line: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line; // what user code prints
  }
  if (typeof fields !== "object" || fields === null || typeof fields.msg !== "string") return line;
  const { time, level, name, msg, pid: _, err, ...rest } = fields;
  const at = typeof time === "number" ? new Date(time).toISOString().slice(11, 23) : "";
  const said = Object.entries(rest).map(([k, v]) => `${k}=${typeof v === "string" ? v : JSON.stringify(v)}`);
  const stack = (err as { stack?: unknown } | undefined)?.stack;
  const head = [at, String(level ?? "").padEnd(5), name, msg, ...said].join(" ");
  return typeof stack === "string" ? `${head}\n${stack}` : head;
}
