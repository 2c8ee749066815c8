import test from "ava";
import { defaultsOf, withDefaults } from "../../src/openfl/defaults.ts";
import { find, plain, readSource } from "../../src/openfl/source.ts";

const plan = readSource(
  `network:
  defaults: plan/defaults/network.yaml
  settings: { agg_port: 5000 }
tasks:
  defaults: plan/defaults/tasks.yaml
  train: { function: train_task }
assigner: { settings: null }
collaborator: { defaults: null }
`,
  "plan/plan.yaml",
);
const below = (text: string, name: string) => readSource(text, name);
const whole = withDefaults(
  plan,
  new Map([
    ["plan/defaults/network.yaml", below("template: Network\nsettings:\n  agg_port: auto\n  tls: true\n", "n.yaml")],
    [
      "plan/defaults/tasks.yaml",
      below("train:\n  function: other\n  kwargs: { epochs: 3 }\ncheck:\n  function: validate_task\n", "t.yaml"),
    ],
  ]),
);

test("defaults: a plan names its files; null names none", (t) => {
  t.deepEqual(
    defaultsOf(plan).map(({ section, path, at }) => [section, path, at.line]),
    [
      ["network", "plan/defaults/network.yaml", 2],
      ["tasks", "plan/defaults/tasks.yaml", 5],
    ],
  );
});

test("defaults: of the settings each key, of a section each part gives way to the plan's (DF1)", (t) => {
  t.deepEqual(plain(find(whole, "network")!), {
    defaults: "plan/defaults/network.yaml",
    settings: { agg_port: 5000, tls: true },
    template: "Network",
  });
  t.deepEqual(
    [find(whole, "network", "settings", "agg_port"), find(whole, "network", "settings", "tls")].map((n) => [
      n?.file,
      n?.line,
    ]),
    [
      ["plan/plan.yaml", 3],
      ["n.yaml", 4],
    ],
    "each value keeps its place",
  );
});

test("defaults: a task that the plan writes replaces that of the same name altogether (DF2)", (t) => {
  t.deepEqual(plain(find(whole, "tasks")!), {
    defaults: "plan/defaults/tasks.yaml",
    train: { function: "train_task" },
    check: { function: "validate_task" },
  });
});

test("defaults: the keys stay, so that they are told of (DF3)", (t) => {
  t.is(find(whole, "collaborator", "defaults")?.value, null);
  t.is(find(whole, "tasks", "defaults")?.line, 5);
});
