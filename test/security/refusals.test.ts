/** For every kind of member and every subject that it may not use, a real server refuses: publishing and subscribing. */
import { connect, type NatsConnection, PermissionViolationError } from "@nats-io/transport-node";
import anyTest, { type TestFn } from "ava";
import { type Right, rightsOf } from "../../src/wire/permissions.ts";
import { buckets, type Role, type Speaker, type Subject, shelves, streams, subjects } from "../../src/wire/table.ts";
import { fill, wildcard } from "../../src/wire/template.ts";
import { FED, type SecuredServer, securedServer, type Who } from "../support/secured.ts";

const MEMBERS = ["envoy north", "manager ann", "part trim"] as const satisfies Who[];
const test = anyTest as TestFn<SecuredServer>;
const WAIT = { timeout: 10_000 };
const ends: (() => Promise<void>)[] = [];

test.before(async (t) => {
  const everybody: Who[] = ["director director", "envoy south", "manager bob", ...MEMBERS];
  t.context = await securedServer({ teardown: (end) => void ends.push(end) }, everybody);
});
test.after.always(async () => {
  for (const end of ends.toReversed()) await end();
});

/** As any NATS client would come: nothing of ours between it and the server. */
async function plain({ url, credentials }: SecuredServer, who: Who): Promise<NatsConnection> {
  const { ca, cert, key } = await credentials(who);
  const nc = await connect({ servers: url, tls: { ca, cert, key }, noAsyncTraces: true });
  ends.push(() => nc.close());
  return nc;
}

/** The tokens of a template filled with one's own name, and with others', in every mixture. */
function fillings(pattern: string, own: string): string[] {
  const tokens = [...pattern.matchAll(/\{(\w+)\}/g)].map(([, token]) => token!).filter((token) => token !== "fed");
  const mixtures = tokens.reduce<Record<string, string>[]>(
    (all, token) => all.flatMap((so) => [own, "south", "bob"].map((name) => ({ ...so, [token]: name }))),
    [{ fed: FED }],
  );
  return mixtures.map((params) => fill(pattern, params as never));
}

const NAMES = [
  ...Object.values(streams).map((s) => fill(s.name as string, { fed: FED, exp: "e" } as never)),
  ...Object.values(buckets).map((b) => `KV_${fill(b.name, { fed: FED })}`),
  ...Object.values(shelves).map((s) => `OBJ_${fill(s.name, { fed: FED })}`),
];
const API = [
  "INFO",
  "STREAM.NAMES",
  "STREAM.LIST",
  ...NAMES.flatMap((name) => [
    ...["CREATE", "UPDATE", "DELETE", "PURGE", "INFO", "MSG.GET", "MSG.DELETE", "SNAPSHOT", "RESTORE"].map(
      (verb) => `STREAM.${verb}.${name}`,
    ),
    ...[`CONSUMER.CREATE.${name}`, `CONSUMER.CREATE.${name}.c`, `CONSUMER.DURABLE.CREATE.${name}.director`],
    ...[
      `CONSUMER.MSG.NEXT.${name}.director`,
      `CONSUMER.DELETE.${name}.director`,
      `DIRECT.GET.${name}`,
      `DIRECT.GET.${name}.x`,
    ],
  ]),
].map((verb) => `$JS.API.${verb}`); // prettier-ignore
const STORED = Object.values(buckets).flatMap((b) => {
  const at = fill(b.name, { fed: FED });
  return ["x", "north", "south", "ann"].flatMap((key) => [
    `$KV.${at}.${key}`,
    `$JS.API.DIRECT.GET.KV_${at}.$KV.${at}.${key}`,
  ]);
});

/** A literal subject below a permission, or a wildcard within it. */
const within = (right: string, subject: string): boolean => {
  const [want, got] = [right.split("."), subject.split(".")];
  return want.length === got.length && want.every((w, i) => (w === "*" ? got[i] !== ">" : w === got[i]));
};

async function refusedOf(nc: NatsConnection, operation: string, use: () => void): Promise<Set<string>> {
  const refused = new Set<string>();
  const status = nc.status();
  const collecting = (async () => {
    for await (const s of status) {
      if (s.type !== "error" || !(s.error instanceof PermissionViolationError)) continue;
      if (s.error.operation === operation) refused.add(s.error.subject);
    }
  })();
  use();
  await nc.flush();
  (status as unknown as { stop(): void }).stop();
  await collecting;
  return refused;
}

for (const who of MEMBERS) {
  const [kind, name] = who.split(" ") as ["envoy" | "manager" | "part", string];
  const may = (verb: Right["verb"], subject: string): boolean =>
    rightsOf(FED, { kind, name }, ["trim"]).some((right) => right.verb === verb && within(right.subject, subject));

  test.serial(`${who}: the server refuses to publish on every subject that is not its own`, async (t) => {
    const nc = await plain(t.context, who);
    const all = [
      ...Object.values(subjects).flatMap(({ pattern }) => fillings(pattern, name)),
      ...API,
      ...STORED,
      ...["$SYS.REQ.SERVER.PING", "$JS.ACK.x", "$JS.FC.x", "_INBOX.x", "_R_.x", "elsewhere"],
    ];
    const forbidden = new Set(all.filter((subject) => !may("publish", subject)));
    const refused = await refusedOf(nc, "publish", () => {
      for (const subject of forbidden) nc.publish(subject, "{}");
    });
    t.deepEqual(
      [...forbidden].filter((subject) => !refused.has(subject)),
      [],
    );
    t.true(forbidden.size > 200, String(forbidden.size));
    const allowed = all.filter((subject) => may("publish", subject));
    t.true(allowed.length > 0);
    t.deepEqual(
      [
        ...(await refusedOf(nc, "publish", () => {
          for (const subject of allowed) nc.publish(subject, "{}");
        })),
      ],
      [],
    ); // prettier-ignore
  });

  test.serial(`${who}: the server refuses to let it hear any subject that is not its own`, async (t) => {
    const nc = await plain(t.context, who);
    const all = [
      ...Object.values(subjects).flatMap(({ pattern }) => [
        ...fillings(pattern, name),
        wildcard(pattern, { fed: FED } as never),
      ]),
      ...[">", "*", "*.>", "fl.>", `fl.v1.${FED}.>`, `fl.v1.${FED}.envoy.>`, `fl.v1.${FED}.owner.>`],
      ...["$JS.>", "$JS.API.>", "$KV.>", "$O.>", "$SYS.>", "$JS.EVENT.>", "_R_.>"],
    ];
    const forbidden = new Set(all.filter((subject) => !may("subscribe", subject)));
    const refused = await refusedOf(nc, "subscription", () => {
      for (const subject of forbidden) nc.subscribe(subject, { callback: () => {} });
    });
    t.deepEqual(
      [...forbidden].filter((subject) => !refused.has(subject)),
      [],
    );
    t.true(forbidden.size > 100, String(forbidden.size));
    const allowed = all.filter((subject) => may("subscribe", subject));
    t.deepEqual(
      [
        ...(await refusedOf(nc, "subscription", () => {
          for (const subject of allowed) nc.subscribe(subject, { callback: () => {} });
        })),
      ],
      [],
    ); // prettier-ignore
  });
}

/** Who plays a role here: the member, and the name that its token has. */
const PLAYED: Record<Role, readonly [who: Who, name: string]> = {
  owner: ["manager ann", "ann"],
  manager: ["envoy north", "somebody"], // whoever sits at the envoy; at the Director it is the Director
  director: ["director director", "director"],
  aggregator: ["director director", "e"],
  envoy: ["envoy north", "north"],
  collaborator: ["envoy north", "north"],
  aggregation: ["part trim", "trim"],
  monitor: ["part trim", "trim"],
};

test.serial("what the table lets across does cross: every request is answered, everything said is heard", async (t) => {
  const nodes = new Map<Who, NatsConnection>();
  for (const who of ["director director", "envoy north", "manager ann", "part trim"] as const) {
    nodes.set(who, await plain(t.context, who));
  }
  const rows = Object.entries(subjects as unknown as Record<string, Subject<string, unknown, unknown>>);
  for (const [key, { pattern, from, to, kind }] of rows) {
    const names: Record<string, string> = { fed: FED, exp: "e" };
    for (const [role, token, word] of [...to, ...from] as Speaker[]) {
      if (token !== undefined) names[token] = word ?? PLAYED[role][1];
    }
    const subject = pattern.replace(/\{(\w+)\}/g, (_, token: string) => names[token] ?? "x1");
    const speaker = from[0]![0] === "manager" && key.startsWith("director") ? "director" : from[0]![0];
    const said = nodes.get(PLAYED[speaker][0])!;
    for (const [role] of to) {
      if (kind === "stream" && speaker === "collaborator" && role === "owner") continue; // asked for, not heard live
      const hears = nodes.get(PLAYED[role][0])!;
      const heard = new Promise<void>((resolve, reject) => {
        const end = hears.subscribe(subject, {
          callback: (e, m) => {
            if (e !== null) reject(e);
            m?.respond("yes");
            end.unsubscribe();
            resolve();
          },
        });
      });
      await hears.flush();
      if (kind === "request") {
        const answer = await said.request(subject, "{}", WAIT);
        t.is(answer.string(), "yes", `${key}: ${speaker} → ${role}`);
      } else said.publish(subject, "{}");
      await heard;
      t.pass(`${key}: ${speaker} → ${role}`);
    }
  }
});

test.serial("nobody makes JetStream or the Director speak elsewhere: an answer leads to whoever asked", async (t) => {
  const [director, north, south, ann] = await Promise.all(
    (["director director", "envoy north", "envoy south", "manager ann"] as const).map((who) => plain(t.context, who)),
  );
  const heard: string[] = [];
  const listen = (nc: NatsConnection, subject: string): void => {
    nc.subscribe(subject, { callback: (_, m) => void heard.push(`${subject} ${m.subject}`) });
  };
  const ask = (verb: string, body: unknown) => director!.request(`$JS.API.${verb}`, JSON.stringify(body), WAIT);
  await ask("STREAM.CREATE.M", { name: "M", subjects: [`fl.v1.${FED}.owner.*.*.metric.*`], storage: "memory" });
  await ask("STREAM.CREATE.V", {
    name: "V",
    subjects: ["$KV.v.>", `fl.v1.${FED}.experiment.submit.*`],
    storage: "memory",
  });
  director!.subscribe(`fl.v1.${FED}.director.list.*`, { callback: (_, m) => void m.respond("[]") });
  director!.subscribe(`fl.v1.${FED}.envoy.*.heartbeat`, { callback: (_, m) => void m.respond("{}") });
  listen(director!, `fl.v1.${FED}.exp.*.director.*.cancel`);
  listen(south!, `fl.v1.${FED}.envoy.south.assigned`);
  listen(south!, "_INBOX.>");
  listen(ann!, `fl.v1.${FED}.owner.ann.*.progress`);
  await Promise.all([director, south, ann].map((nc) => nc!.flush()));
  const targets = [
    `fl.v1.${FED}.exp.e.director.director.cancel`,
    `fl.v1.${FED}.envoy.south.assigned`,
    `fl.v1.${FED}.owner.ann.e.progress`,
    "_INBOX.x",
    "$KV.v.x",
    "$JS.API.STREAM.DELETE.M",
    "$JS.API.STREAM.PURGE.M",
  ];
  for (const reply of targets) {
    north!.publish(`fl.v1.${FED}.owner.ann.e.metric.north`, "{}", { reply });
    north!.publish(`fl.v1.${FED}.envoy.north.heartbeat`, "{}", { reply });
  }
  const answer = await north!.request(`fl.v1.${FED}.owner.ann.e.metric.north`, "{}", WAIT);
  t.deepEqual(answer.json(), { stream: "M", seq: targets.length + 1 });
  await Promise.all([director, south, ann].map((nc) => nc!.flush()));
  t.deepEqual(heard, []);
  const stored = (await ask("STREAM.INFO.V", {})).json<{ state: { messages: number } }>();
  t.is(stored.state.messages, 0);
});

test.serial(
  "each hears its own and nobody else: an owner its events, an envoy its assignments, all the models",
  async (t) => {
    const [director, north, south, ann, bob] = await Promise.all(
      (["director director", "envoy north", "envoy south", "manager ann", "manager bob"] as const).map((who) =>
        plain(t.context, who),
      ),
    );
    const heard: string[] = [];
    const listen = (who: string, nc: NatsConnection, subject: string) =>
      nc.subscribe(subject, {
        callback: (e, m) => void heard.push(`${who} ${e?.name ?? m.subject.replace(`fl.v1.${FED}.`, "")}`),
      });
    listen("ann", ann!, `fl.v1.${FED}.owner.ann.*.event.*`);
    listen("ann", ann!, `fl.v1.${FED}.owner.ann.*.metric.*`);
    listen("bob", bob!, `fl.v1.${FED}.owner.ann.*.event.*`);
    listen("north", north!, `fl.v1.${FED}.envoy.north.assigned`);
    listen("south", south!, `fl.v1.${FED}.envoy.north.assigned`);
    for (const [who, nc] of [
      ["north", north],
      ["south", south],
      ["ann", ann],
    ] as const)
      listen(who, nc!, `fl.v1.${FED}.exp.e.model.*.*.*`);
    await Promise.all([north, south, ann, bob].map((nc) => nc!.flush()));
    director!.publish(`fl.v1.${FED}.owner.ann.e.event.director`, "{}");
    north!.publish(`fl.v1.${FED}.owner.ann.e.metric.north`, "{}");
    await north!.flush(); // what comes from one account to the Director's goes on to no third one: metrics are asked for
    director!.publish(`fl.v1.${FED}.envoy.north.assigned`, "{}");
    director!.publish(`fl.v1.${FED}.exp.e.model.1.1.0`, "frame");
    await director!.flush();
    await Promise.all([north, south, ann, bob].map((nc) => nc!.flush()));
    t.deepEqual(heard.toSorted(), [
      "ann PermissionViolationError", // no models
      "ann owner.ann.e.event.director",
      "bob PermissionViolationError",
      "north envoy.north.assigned",
      "north exp.e.model.1.1.0",
      "south PermissionViolationError",
      "south exp.e.model.1.1.0",
    ]);
  },
);
