/**
 * Templates of names on the network: `fl.v1.{fed}.envoy.{envoy}.register`.
 *
 * W1 fill and match are inverse: match(t, fill(t, p)) equals p.
 * W2 A parameter is one token of TOKEN's form, so no name can add, remove or wildcard a token.
 */
import { FlError } from "../errors.ts";

export type Params<S extends string> = S extends `${string}{${infer P}}${infer R}` ? P | Params<R> : never;
export type Filling<S extends string> = { readonly [K in Params<S>]: string | number };

/** The form of a name, for patterns that hold one. It stands here only. */
export const NAME = "[A-Za-z0-9_-]{1,64}";
export const TOKEN = new RegExp(`^${NAME}$`);

/** @throws FL_SUBJECT_TOKEN saying what the name is of */
export function token(name: string | number, what: string): string {
  const text = String(name);
  if (TOKEN.test(text)) return text;
  const shown = text.slice(0, 80);
  throw new FlError("FL_SUBJECT_TOKEN", { what, name: shown, reason: `${what} is ${JSON.stringify(shown)}` });
}

/** @throws FL_SUBJECT_TOKEN naming the parameter whose value is not one token */
export function fill<S extends string>(template: S, params: Filling<S>): string {
  const values = params as Record<string, string | number | undefined>;
  return template.replace(/\{(\w+)\}/g, (_, key: string) => token(values[key] ?? "", key));
}

/** The subject to subscribe to: given parameters filled in, the others `*`. */
export function wildcard<S extends string>(template: S, params: Partial<Filling<S>> = {}): string {
  const values = params as Record<string, string | number | undefined>;
  return template.replace(/\{(\w+)\}/g, (_, key: string) => {
    const value = values[key];
    return value === undefined ? "*" : token(value, key);
  });
}

/** The parameters of a subject made from this template, or undefined if it was not. */
export function match<S extends string>(template: S, subject: string): Record<Params<S>, string> | undefined {
  const want = template.split(".");
  const got = subject.split(".");
  if (want.length !== got.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, w] of want.entries()) {
    const g = got[i]!;
    if (w.startsWith("{")) {
      if (!TOKEN.test(g)) return undefined;
      params[w.slice(1, -1)] = g;
    } else if (w !== g) return undefined;
  }
  return params as Record<Params<S>, string>;
}
