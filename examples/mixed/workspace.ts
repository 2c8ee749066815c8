/** The same model as workspace.py beside it: a site trains it with the one or the other, and they train it together. */
import { defineExperiment } from "entente";

export default defineExperiment({
  model: ({ tf, seed, sampleShape, targetShape }) =>
    tf.sequential({
      layers: [
        tf.layers.dense({
          inputShape: [...sampleShape],
          units: 16,
          activation: "relu",
          kernelInitializer: tf.initializers.heNormal({ seed }),
        }),
        tf.layers.dense({
          units: targetShape[0]!,
          kernelInitializer: tf.initializers.glorotNormal({ seed: seed + 1 }),
        }),
      ],
    }),
});
