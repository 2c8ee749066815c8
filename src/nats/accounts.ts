/**
 * The accounts of a secured server: one for the Director's side, one for each other member (src/wire/permissions.ts).
 *
 * N1 Nothing crosses from one account to another but what is named: a service is asked in one and answered in the other, a
 *    stream is said in one and heard in the other. The server makes the reply subject of what crosses, so that no asker can
 *    have an answer, JetStream's acknowledgements included, sent to a place where it must not speak.
 * N2 A user is a member's address in its certificate (identity.ts): who is not listed does not come in.
 * N3 Names are tokens: none can end a string of this text, or add anything to it. All the same, every one is quoted.
 */
import { type Member, userOf } from "../pki/identity.ts";
import { type Right, rightsOf } from "../wire/permissions.ts";

const DIRECTOR = "director";
const quoted = (text: string): string => JSON.stringify(text);
/** the account of a member, and the one that the Director's side shares */
const roomOf = ({ kind, name }: Pick<Member, "kind" | "name">): string =>
  kind === "director" ? DIRECTOR : `${kind}-${name}`;

type Crossings = { readonly exports: Set<string>; readonly imports: Set<string> };
type Room = Crossings & { readonly users: string[] };

/** The `accounts` block of a server's configuration. */
export function renderAccounts(fed: string, members: readonly Member[]): string {
  const parts = members.filter(({ kind }) => kind === "part").map(({ name }) => name);
  const rooms = new Map<string, Room>();
  const room = (name: string): Room => {
    const found = rooms.get(name) ?? { users: [], exports: new Set(), imports: new Set() };
    rooms.set(name, found);
    return found;
  };
  room(DIRECTOR);
  for (const member of members) {
    const rights = rightsOf(fed, member, parts);
    const own = room(roomOf(member));
    own.users.push(user(userOf(fed, member), member.kind, rights));
    for (const right of rights) cross(right, roomOf(member), room);
  }
  return `accounts {\n${[...rooms].map(([name, its]) => account(name, its)).join("")}}\n`;
}

/** N1 */
function cross({ crossing, far, subject }: Right, own: string, room: (name: string) => Room): void {
  const at = far === "director" ? DIRECTOR : typeof far === "object" && far !== null ? `part-${far.part}` : undefined;
  const offer = (kind: "service" | "stream", by: string): void =>
    void room(by).exports.add(`${kind}: ${quoted(subject)}`);
  const take = (kind: "service" | "stream", by: string, from: string): void =>
    void room(by).imports.add(`${kind}: { account: ${quoted(from)}, subject: ${quoted(subject)} }`);
  if (crossing === "stays") return;
  if (crossing === "answers") {
    offer("service", own);
    if (at !== undefined) take("service", at, own);
    return;
  }
  const kind = crossing === "asks" ? "service" : "stream";
  if (at === undefined) return;
  if (at === DIRECTOR) offer(kind, at); // a part offers by its own right
  take(kind, own, at);
}

/** A member answers whoever asked it, once, and hears what it is answered itself; both only in its own room. */
function user(name: string, kind: Member["kind"], rights: readonly Right[]): string {
  if (kind === "director") return `{ user: ${quoted(name)} }`;
  const of = (verb: Right["verb"]): string =>
    [...new Set(rights.filter((r) => r.verb === verb).map((r) => r.subject))]
      .map((s) => `\n${" ".repeat(8)}${quoted(s)}`)
      .join("");
  return `{ user: ${quoted(name)}, permissions: {
      publish: [${of("publish")}
      ]
      subscribe: [
        "_INBOX.>"${of("subscribe")}
      ]
      allow_responses: true
    } }`;
}

function account(name: string, { users, exports, imports }: Room): string {
  const list = (key: string, items: Iterable<string>): string => {
    const lines = [...items].map((item) => `\n      { ${item} }`).join("");
    return lines === "" ? "" : `    ${key}: [${lines}\n    ]\n`;
  };
  return `  ${quoted(name)} {
${name === DIRECTOR ? "    jetstream: enabled\n" : ""}    users: [${users.map((u) => `\n    ${u}`).join("")}\n    ]
${list("exports", exports)}${list("imports", imports)}  }
`;
}
