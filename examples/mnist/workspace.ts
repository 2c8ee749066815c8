/** A perceptron with one hidden layer for MNIST. The last layer gives logits: the default loss applies softmax itself. */
import { defineExperiment } from "entente";

export default defineExperiment({
  model: ({ tf, seed, sampleShape, targetShape }) =>
    tf.sequential({
      layers: [
        tf.layers.dense({
          inputShape: [...sampleShape],
          units: 128,
          activation: "relu",
          kernelInitializer: tf.initializers.heNormal({ seed }),
        }),
        tf.layers.dense({
          units: targetShape[0] ?? 1,
          kernelInitializer: tf.initializers.glorotNormal({ seed: seed + 1 }),
        }),
      ],
    }),
});
