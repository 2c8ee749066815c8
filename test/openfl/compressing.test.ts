import test from "ava";
import { importPlan } from "../../src/openfl/import.ts";
import { parsePlan } from "../../src/plan/plan.ts";

const read = (pipeline: string, delta = "true") => {
  const text = [
    "aggregator: { settings: { rounds_to_train: 2 } }",
    `collaborator: { settings: { delta_updates: ${delta} } }`,
    `compression_pipeline: ${pipeline}`,
  ].join("\n");
  const { plan, findings } = importPlan({ plan: { name: "plan.yaml", text } });
  parsePlan(plan);
  const said = new Map(findings.map((f) => [f.key, f]));
  return { plan, of: (key: string) => said.get(`compression_pipeline.${key}`) };
};

test("OpenFL's pipelines become chains of codecs, with what its settings say or mean", (t) => {
  const up = (pipeline: string) => {
    const { down, ...rest } = read(pipeline).plan.compression!;
    t.deepEqual(down, rest.up);
    return rest;
  };
  t.deepEqual(up("{ template: openfl.pipelines.STCPipeline }"), { up: [{ use: "stc", fraction: 0.1 }] });
  t.deepEqual(up("{ template: openfl.pipelines.KCPipeline, settings: { n_clusters: 33 } }"), {
    up: [{ use: "kmeans", clusters: 33 }],
  });
  t.deepEqual(up("{ template: openfl.pipelines.SKCPipeline, settings: { p_sparsity: 0.05 } }"), {
    up: [
      { use: "topk", fraction: 0.05 },
      { use: "kmeans", clusters: 6 },
    ],
  });
  const eden = read(
    "{ template: openfl.pipelines.EdenPipeline, settings: { n_bits: 3, dim_threshold: 50, device: cpu } }",
  );
  t.like(eden.plan.compression, { up: [{ use: "eden", bits: 3 }], exactBelow: 51 });
  for (const key of ["template", "settings.n_bits", "settings.dim_threshold"]) {
    t.like(eden.of(key), { outcome: "mapped", target: "compression" }, key);
  }
  t.is(eden.of("settings.device")?.outcome, "implied");
});

test("without differences OpenFL compresses no update, and neither does the plan", (t) => {
  const { plan, of } = read("{ template: openfl.pipelines.KCPipeline, settings: { n_clusters: 6 } }", "false");
  t.is(plan.compression, undefined);
  t.like(of("template"), { outcome: "implied" });
  t.like(of("settings.n_clusters"), { outcome: "implied" });
});

test("a setting that its pipeline cannot mean is unknown, and the usual one counts", (t) => {
  const { plan, of } = read(
    "{ template: openfl.pipelines.KCPipeline, settings: { n_clusters: 1000, p_sparsity: 0.1 } }",
  );
  t.like(plan.compression, { up: [{ use: "kmeans", clusters: 6 }] });
  t.like(of("settings.n_clusters"), { outcome: "unknown" });
  t.like(of("settings.p_sparsity"), { outcome: "unknown" });
  const own = read("{ template: my.Pipeline, settings: { x: 1 } }");
  t.like(own.of("template"), { outcome: "none" });
  t.like(own.of("settings.x"), { outcome: "none" });
});
