"""A shard in Python: points around three centres. Whatever engine a site trains with, it may describe its data so."""

import numpy as np

from entente import Split, define_shard

CENTRES = np.array([[0, 1], [-1, -1], [1, -1]], np.float32)


def load(context):
    samples = int(context.params.get("samples", 300))
    noise = float(context.params.get("noise", 0.3))
    chance = np.random.RandomState([context.seed % 2**32, *context.name.encode()])

    def points(size):
        classes = chance.randint(0, 3, size)
        return Split(CENTRES[classes] + noise * chance.standard_normal((size, 2)), classes)

    return points(samples), points(max(10, samples // 5))


shard = define_shard(description="made-up points around three centres", sample_shape=(2,), target_shape=(3,), load=load)
