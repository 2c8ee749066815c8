/**
 * Parsing what people write (plans, settings, task arguments) and telling them everything that is wrong with it.
 *
 * Owns the sentences; the rules are zod schemas elsewhere.
 * V1 One failed parse is one FlError that names every problem, each with its dotted path.
 * V2 An unknown key comes with the nearest key that its object does have, or with all of them.
 * V3 A wrong value comes with what is allowed and what was given.
 * V4 A schema's own messages are predicates ("must be a duration such as 90s"): they are read after the path.
 */
import type { z } from "zod";
import { type Code, FlError } from "./errors.ts";
import { nearest } from "./nearest.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];
export type Problem = { path: Path; says: string };

export type Strict = {
  code: Code;
  /** what is being read, as its writer calls it: "plan", "plans/mnist.yaml", "arguments of task train" */
  what: string;
  /** where a path lies in the source text, when there is one: "4:7" */
  where?: (path: Path) => string | undefined;
};

/** @throws FlError with `code`; its detail holds `what`, `problems` and the `reason` made of both */
export function parseStrict<S extends z.ZodType>(
  schema: S,
  value: unknown,
  { code, what, where }: Strict,
): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = explained(schema, value, parsed.error).map(({ path, says }) => {
    const at = where?.(path);
    const subject = path.length === 0 ? "it" : dotted(path);
    return `${at === undefined ? "" : `${at} `}${subject} ${says}`;
  });
  throw new FlError(code, { what, problems, reason: `${what}: ${problems.join("; ")}` }); // V1
}

/** What is wrong with a value, if anything, each as a predicate of its path: for whoever reads it as a part of something. */
export function problemsOf(schema: z.ZodType, value: unknown): Problem[] {
  const parsed = schema.safeParse(value);
  return parsed.success ? [] : explained(schema, value, parsed.error);
}

const explained = (schema: z.ZodType, value: unknown, { issues }: z.ZodError): Problem[] =>
  issues.flatMap((issue) => explain(schema, value, issue, []));

/** tasks[0].arguments.epochs */
export const dotted = (path: Path): string =>
  path.reduce<string>(
    (s, k) => (typeof k === "number" ? `${s}[${k}]` : s === "" ? String(k) : `${s}.${String(k)}`),
    "",
  );

function explain(schema: z.core.$ZodType, root: unknown, issue: Issue, prefix: Path): Problem[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    const valid = keysAt(schema, path);
    return issue.keys.map((key) => {
      const near = nearest(key, valid);
      const hint = near !== undefined ? `did you mean ${near}?` : `the keys here are: ${valid.join(", ") || "none"}`;
      return { path: [...path, key], says: `is not a key; ${hint}` }; // V2
    });
  }
  if (issue.code === "invalid_union") {
    // The branch the writer meant is the one that took the value's kind and only complains about what is inside it.
    const meant = issue.errors
      .filter((branch) => branch.every((i) => i.path.length > 0 || i.code === "unrecognized_keys"))
      .sort((a, b) => a.length - b.length)[0];
    if (meant !== undefined) return meant.flatMap((i) => explain(schema, root, i, path));
  }
  if (issue.code === "custom" && issue.params?.whole === true) return [{ path, says: issue.message }]; // it says all
  const given = valueAt(root, path);
  const must = requirement(issue);
  if (given === undefined && issue.code !== "custom") return [{ path, says: `is missing: it ${must}` }];
  const near =
    issue.code === "invalid_value" && typeof given === "string" ? nearest(given, issue.values.map(String)) : undefined;
  const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
  return [{ path, says: `${must}, got ${show(given)}${hint}` }]; // V3
}

/** What is allowed, as a predicate. */
function requirement(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${kinds[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `must be ${issue.values.length === 1 ? "" : "one of "}${issue.values.map(String).join(", ")}`;
    case "too_small":
      return sized(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum);
    case "too_big":
      return sized(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum);
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    case "invalid_format":
      return /^must /.test(issue.message) ? issue.message : `must be ${issue.pattern ?? issue.format}`;
    case "invalid_union": {
      const each = issue.errors.map((branch) => branch[0]).filter((i) => i !== undefined);
      const allowed = each.map((i) => requirement(i).replace(/^must be /, ""));
      return allowed.length === 0 ? "must be one of its known forms" : `must be ${[...new Set(allowed)].join(" or ")}`;
    }
    case "custom":
      return issue.message; // V4
    default:
      return `is not valid (${issue.message})`;
  }
}

const kinds: Record<string, string> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map of keys",
  record: "a map of keys",
  null: "null",
};

function sized(origin: string, bound: string, n: number | bigint): string {
  if (origin === "string") return `must be ${bound} ${n} characters long`;
  if (origin === "array" || origin === "set" || origin === "map") return `must have ${bound} ${n} entries`;
  return `must be ${bound} ${n}`;
}

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a map of keys";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[key];
  }
  return at;
}

/** The keys of every object that the schema allows at `path`. */
function keysAt(schema: z.core.$ZodType, path: Path): string[] {
  let level = objectsOf(schema);
  for (const key of path) level = level.flatMap((s) => childrenOf(s, key)).flatMap(objectsOf);
  return [...new Set(level.flatMap((s) => (s._zod.def.type === "object" ? Object.keys(s._zod.def.shape) : [])))];
}

function childrenOf(schema: z.core.$ZodTypes, key: PropertyKey): z.core.$ZodType[] {
  const { def } = schema._zod;
  if (def.type === "object") return Object.hasOwn(def.shape, key) ? [def.shape[String(key)]!] : [];
  if (def.type === "array") return [def.element];
  if (def.type === "tuple") return [def.items[Number(key)] ?? def.rest].filter((s) => s !== undefined && s !== null);
  if (def.type === "record") return [def.valueType];
  return [];
}

/** The schema without its wrappers; a union is all of its branches. */
export function objectsOf(schema: z.core.$ZodType): z.core.$ZodTypes[] {
  const known = schema as z.core.$ZodTypes;
  const { def } = known._zod;
  switch (def.type) {
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
    case "nonoptional":
    case "readonly":
    case "catch":
      return objectsOf(def.innerType);
    case "pipe":
      return objectsOf((def.in as z.core.$ZodTypes)._zod.def.type === "transform" ? def.out : def.in);
    case "union":
      return def.options.flatMap(objectsOf);
    case "intersection":
      return [...objectsOf(def.left), ...objectsOf(def.right)];
    case "lazy":
      return objectsOf(def.getter());
    default:
      return [known];
  }
}
