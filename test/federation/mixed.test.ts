/** One model, trained by sites of either kind, in real processes. */
import { readdir, readFile } from "node:fs/promises";
import test from "ava";
import { hasEnded } from "../../src/client/record.ts";
import { loadPlan } from "../../src/plan/load.ts";
import { goneWithin } from "../../src/process.ts";
import { parseSafetensors } from "../../src/tensor/safetensors.ts";
import { shelves } from "../../src/wire/table.ts";
import { testFederation } from "../support/federation.ts";
import { needing, python } from "../support/python.ts";

const shard = { use: "./examples/mixed/shard.py", params: { samples: 90 } };
const shardInTypeScript = { use: "./test/python/shard.ts", params: { samples: 90 } };

const it = needing(test, "torch");
it("C32 two TensorFlow.js and two PyTorch collaborators train one model, with shards in either language", async (t) => {
  const fed = await testFederation(t);
  await fed.start("director", "director", { periodMs: 500 });
  await Promise.all([
    fed.start("envoy", "ada", { engine: "tfjs", backend: "wasm", python, shard }),
    fed.start("envoy", "bob", { engine: "tfjs", backend: "wasm", shard: shardInTypeScript }),
    fed.start("envoy", "cyd", { engine: "python", python, shard }),
    fed.start("envoy", "dan", { engine: "python", python, shard: shardInTypeScript }),
  ]);
  const { workspace: _, ...plan } = await loadPlan("examples/mixed/plan.yaml");
  await fed.submit("mixed", plan, "examples/mixed");
  const { pid } = await workerOf(await fed.childOf("envoy", "cyd", "collaborator"));
  const record = await fed.experiment("mixed", hasEnded);
  t.is(record.state, "finished", JSON.stringify(record.failure));
  t.deepEqual(record.collaborators, ["ada", "bob", "cyd", "dan"]);
  t.true(record.outcome!.metrics["validate_global.accuracy"]! > 0.9, JSON.stringify(record.outcome));
  const bytes = await (await fed.wire.shelf(shelves.models)).get(record.outcome!.objects.last);
  t.deepEqual(
    parseSafetensors(bytes!).layout.tensors.map(({ name, shape }) => [name, ...shape]),
    [
      ["0.kernel", 2, 16],
      ["1.bias", 16],
      ["2.kernel", 16, 3],
      ["3.bias", 3],
    ],
  );
  const prepared = fed.lines.map((line) => JSON.parse(line)).filter((line) => line.msg === "prepared");
  t.deepEqual(prepared.map((line) => `${line.name} ${line.engine}`).sort(), [
    "collaborator.ada tfjs",
    "collaborator.bob tfjs",
    "collaborator.cyd torch",
    "collaborator.dan torch",
  ]);
  t.true(await goneWithin(pid, 10_000), "a worker goes with its experiment");
});

/** The worker of a collaborator, once it has one. */
async function workerOf(parent: number): Promise<{ pid: number }> {
  for (;;) {
    for (const dir of await readdir("/proc")) {
      if (!/^\d+$/.test(dir)) continue;
      const stat = await readFile(`/proc/${dir}/stat`, "utf8").catch(() => "");
      if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent) return { pid: Number(dir) };
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
