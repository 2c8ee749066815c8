/**
 * The tables of docs/protocol.md, made from the table of names and the schemas, so that the page cannot disagree.
 *
 * PD1 One row for each subject, store and field, in the order of their tables; a field that the glossary does not know is an
 *     error.
 */
import { z } from "zod";
import { codecs } from "../codec/registry.ts";
import { tensorSpec } from "../tensor/layout.ts";
import { glossary } from "./glossary.ts";
import * as messages from "./messages.ts";
import { rightsOf } from "./permissions.ts";
import * as requests from "./requests.ts";
import { buckets, consumers, type Speaker, type Subject, shelves, streams, subjects } from "./table.ts";
import { TOKEN } from "./template.ts";

type AnySubject = Omit<Subject<string, unknown, unknown>, "schema" | "reply"> & {
  readonly schema: z.core.$ZodType;
  readonly reply: z.core.$ZodType | "frame" | null;
};
type Named = { readonly name: string; readonly schema: z.core.$ZodTypes };

/** Every message by its schema. Forms that are no map (states, shapes) are shown where they are used. */
const named = new Map<unknown, string>(
  Object.entries({ ...messages, ...requests, tensorSpec } as Record<string, unknown>)
    .filter(([, schema]) => schema instanceof z.ZodObject)
    .map(([name, schema]) => [schema, name]),
);

export const messageSchemas = (): Named[] =>
  [...named].map(([schema, name]) => ({ name, schema: schema as z.core.$ZodTypes }));

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const lines = [head, ...rows].map((row) => `| ${row.join(" | ")} |`);
  return lines.toSpliced(1, 0, `|${"---|".repeat(head.length)}`).join("\n");
};

const link = (name: string): string => `[${name}](#${name.toLowerCase()})`;

function payload(schema: z.core.$ZodType | "frame" | null): string {
  if (schema === null) return "–";
  if (schema === "frame") return "[frame](#frames)";
  const name = named.get(schema);
  if (name === undefined) throw new Error("a payload that is exported from neither messages.ts nor requests.ts");
  return name === "nothing" ? "`{}`" : link(name);
}

/** A role, and its name's token or the word that stands for it. */
function party([role, token, word]: Speaker): string {
  if (token === undefined) return role;
  return `${role} \`${word ?? `{${token}}`}\``;
}

export function subjectTable(): string {
  const rows = Object.entries(subjects as unknown as Record<string, AnySubject>).map(([key, s]) => [
    `\`${s.pattern}\``,
    s.from.map(party).join(", "),
    s.to.map(party).join(", "),
    s.kind + (s.open ? ", open" : ""),
    key === "uploadChunk" ? "bytes" : key.endsWith("Chunk") ? payload("frame") : payload(s.schema),
    payload(s.reply),
    s.doc,
  ]);
  return table(["subject", "from", "to", "kind", "payload", "reply", ""], rows);
}

export function storeTable(): string {
  const code = (texts: readonly string[]): string => texts.map((t) => `\`${t}\``).join(", ");
  return [
    table(
      ["stream", "subjects", ""],
      Object.values(streams).map((s) => [`\`${s.name}\``, code(s.subjects), s.doc]),
    ),
    table(
      ["consumer", "of stream", ""],
      Object.values(consumers).map((c) => [`\`${c.durable}\``, `\`${streams[c.stream].name}\``, c.doc]),
    ),
    table(
      ["bucket", "key", "written by", "value", "told on", ""],
      Object.values(buckets).map((b) => [
        `\`${b.name}\``,
        `\`${b.key}\``,
        b.writer,
        payload(b.schema),
        b.news === null ? "–" : `\`${b.news.pattern}\``,
        b.doc,
      ]),
    ),
    table(
      ["object store", ""],
      Object.values(shelves).map((s) => [`\`${s.name}\``, s.doc]),
    ),
  ].join("\n\n");
}

export const codecTable = (): string =>
  table(
    ["number", "version", "name", "", "what it leaves"],
    Object.values(codecs).map((c) => [String(c.id), String(c.version), `\`${c.name}\``, c.kind, c.doc]),
  );

export const messageTables = (): string =>
  messageSchemas()
    .filter(({ name }) => name !== "nothing")
    .map(({ name, schema }) => `### ${name}\n${table(["field", "type", ""], fieldsOf(name, schema))}`)
    .join("\n\n");

export type Field = { readonly path: string; readonly keys: readonly string[] };

/** Each field of each message, with what the glossary may call it: the exact name first. */
export const fields = (): Field[] => messageSchemas().flatMap(({ name, schema }) => pathsOf(name, schema));

function pathsOf(path: string, schema: z.core.$ZodType): Field[] {
  return Object.entries(shapeOf(schema)).flatMap(([field, child]) => {
    const here = `${path}.${field}`;
    const inner = elementOf(child);
    const nested = isObject(inner) && !named.has(inner) ? pathsOf(here, inner) : [];
    return [{ path: here, keys: [here, field] }, ...nested];
  });
}

function fieldsOf(name: string, schema: z.core.$ZodType): string[][] {
  const types = new Map<string, string>();
  const collect = (path: string, s: z.core.$ZodType): void => {
    for (const [field, child] of Object.entries(shapeOf(s))) {
      types.set(`${path}.${field}`, typeOf(child));
      const inner = elementOf(child);
      if (isObject(inner) && !named.has(inner)) collect(`${path}.${field}`, inner);
    }
  };
  collect(name, schema);
  return pathsOf(name, schema).map(({ path, keys }) => {
    const doc = keys.map((k) => glossary[k]).find((d) => d !== undefined);
    if (doc === undefined) throw new Error(`the glossary does not know ${path}`); // PD1
    return [`\`${path.slice(name.length + 1)}\``, types.get(path)!, doc];
  });
}

const defOf = (schema: z.core.$ZodType) => (schema as z.core.$ZodTypes)._zod.def;
const isObject = (schema: z.core.$ZodType): boolean => defOf(schema).type === "object";

function shapeOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> {
  const def = defOf(schema);
  return def.type === "object" ? def.shape : {};
}

/** What is inside wrappers, lists and maps. */
function elementOf(schema: z.core.$ZodType): z.core.$ZodType {
  const def = defOf(schema);
  if (def.type === "optional" || def.type === "nullable" || def.type === "default") return elementOf(def.innerType);
  if (def.type === "array") return elementOf(def.element);
  return def.type === "record" ? elementOf(def.valueType) : schema;
}

/** A schema in a reader's words. */
function typeOf(schema: z.core.$ZodType): string {
  const name = named.get(schema);
  if (name !== undefined) return link(name);
  const def = defOf(schema);
  switch (def.type) {
    case "optional":
    case "default":
      return `${typeOf(def.innerType)}, may be absent`;
    case "nullable":
      return `${typeOf(def.innerType)} or null`;
    case "array":
      return `list of ${typeOf(def.element)}`;
    case "record":
      return `map of ${typeOf(def.valueType)}`;
    case "object":
      return "map";
    case "enum":
      return Object.keys(def.entries)
        .map((word) => `\`${word}\``)
        .join(" · ");
    case "literal":
      return def.values.map((value) => `\`${String(value)}\``).join(" · ");
    case "string":
      return textOf(schema);
    case "number":
      return numberOf(schema);
    case "custom":
      return "bytes";
    case "pipe":
      return typeOf(def.in);
    case "unknown":
      return "anything";
    default:
      return def.type;
  }
}

function textOf(schema: z.core.$ZodType): string {
  const { pattern } = z.toJSONSchema(schema);
  if (pattern === TOKEN.source) return "token";
  return pattern?.includes("{64}") ? "SHA-256" : "text";
}

function numberOf(schema: z.core.$ZodType): string {
  const { type, minimum, exclusiveMinimum } = z.toJSONSchema(schema);
  if (type !== "integer") return "number";
  return Number(minimum ?? exclusiveMinimum ?? -1) >= 0 ? "uint" : "int";
}

const crossings = { asks: "asks", answers: "answers", hears: "hears", stays: "among its own processes" } as const;

/** What a member called NAME of federation FED may do, by its kind. */
export function rightsTable(): string {
  const kinds = { envoy: "envoy", manager: "experiment manager", part: "part" } as const;
  const rows = Object.entries(kinds).flatMap(([kind, who]) =>
    rightsOf("FED", { kind: kind as keyof typeof kinds, name: "NAME" }).map(({ verb, subject, crossing, far }) => [
      ...[who, verb, `\`${subject}\``],
      crossing === "stays"
        ? crossings.stays
        : `${crossings[crossing]} ${far === "director" ? "the Director's side" : "whoever asks"}`,
    ]),
  );
  return table(["who", "may", "subject", ""], rows);
}
