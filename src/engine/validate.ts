/**
 * The built-in task `validate`: the model measured on a split, nothing learnt.
 *
 * V1 Metrics are means over samples, so they do not depend on the batch size (up to rounding).
 */
import type * as tfjs from "@tensorflow/tfjs";
import type { Metrics } from "../workspace/define.ts";
import type { ValidateArguments } from "./arguments.ts";
import { batches } from "./batches.ts";
import type { RunContext } from "./engine.ts";
import { countCorrect, countsAccuracy, lossOf } from "./loss.ts";
import { Pace } from "./pace.ts";
import type { Subject } from "./train.ts";

export async function validate(subject: Subject, args: ValidateArguments, context: RunContext): Promise<Metrics> {
  const { tf, definition, model, shapes } = subject;
  const split = context.data[args.split];
  const withAccuracy = countsAccuracy(definition, split, shapes.targetShape);
  const own = Object.entries(definition.metrics);
  const pace = new Pace(context.signal, context.progress);
  const sums: Metrics = { loss: 0, ...(withAccuracy ? { accuracy: 0 } : {}) };
  for (const [name] of own) sums[name] = 0;
  let done = 0;
  for (const batch of batches(tf, split, shapes, { batchSize: args.batchSize })) {
    tf.tidy(() => {
      const outputs = model.apply(batch.samples, { training: false }) as tfjs.Tensor;
      const add = (name: string, mean: number): void => {
        sums[name] = sums[name]! + mean * batch.size;
      };
      add("loss", lossOf(tf, definition, model, outputs, batch.targets).dataSync()[0]!);
      for (const [name, metric] of own) add(name, tf.mean(metric(tf, outputs, batch.targets)).dataSync()[0]!);
      if (withAccuracy) {
        const correct = countCorrect(outputs.dataSync(), batch.targetValues, shapes.targetShape[0]!);
        sums.accuracy = sums.accuracy! + correct;
      }
    });
    done += batch.size;
    if (pace.due()) await pace.rest(done, split.size);
  }
  context.progress(done, split.size);
  for (const name of Object.keys(sums)) sums[name] = sums[name]! / split.size; // V1
  return { ...sums, samples: split.size };
}
