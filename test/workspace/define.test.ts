import test from "ava";
import { checkExperiment, defineExperiment, type ExperimentInput } from "../../src/workspace/define.ts";

const model: ExperimentInput["model"] = () => {
  throw new Error("not built here");
};

test("defineExperiment: fills in defaults and passes functions through untouched", (t) => {
  const tune = async () => ({ loss: 1 });
  const made = defineExperiment({ model, tasks: { tune } });
  t.is(made.model, model);
  t.is(made.tasks.tune, tune);
  t.is(made.loss, "softmaxCrossEntropy");
  t.deepEqual(made.metrics, {});
});

test("checkExperiment: takes a definition again, and a plain object of the form (W1)", (t) => {
  t.deepEqual(checkExperiment(defineExperiment({ model })), defineExperiment({ model }));
  t.deepEqual(checkExperiment({ model }), defineExperiment({ model }));
});

test("checkExperiment: what is wrong is named, with the nearest right word (W2)", (t) => {
  const wrong: [unknown, RegExp][] = [
    [{ model, task: {} }, /task .*tasks/],
    [{ modle: model }, /model/],
    [{ model, loss: "meanSquareError" }, /loss .*meanSquaredError/],
    [{ model, loss: 3 }, /loss/],
    [{ model, tasks: { tune: 1 } }, /tasks\.tune/],
    [{ model, tasks: { "a b": async () => ({}) } }, /a b/],
    [{ model, metrics: { error: "mse" } }, /metrics\.error/],
    [undefined, /workspace/],
    ["x", /workspace/],
  ];
  for (const [value, says] of wrong) {
    t.regex(t.throws(() => checkExperiment(value), { code: "FL_WORKSPACE_INVALID" }).message, says);
  }
});
