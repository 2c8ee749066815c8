import unittest

import numpy as np

from entente import Failure, ShardContext, Split, define_shard
from entente.trainer import epoch_of, window_of


def shard(train, shape=(2,), target=(3,)):
    load = lambda context: (train, train)  # noqa: E731
    return define_shard(description="d", sample_shape=shape, target_shape=target, load=load)


class ShardTest(unittest.TestCase):
    def test_arrays_take_the_form_that_the_shapes_say(self):
        split = Split(np.zeros((4, 2)), np.array([0, 1, 2, 1]))
        loaded = shard(split).splits(ShardContext("anna"))
        self.assertEqual(loaded["train"].samples.dtype, np.float32)
        self.assertEqual(loaded["train"].targets.dtype, np.int32)
        self.assertTrue(loaded["validation"].has_classes((3,)))
        flat = Split(np.zeros(8, np.uint8).reshape(4, 2), np.zeros((4, 3), np.float32), scale=0.5)
        self.assertEqual(shard(flat).splits(ShardContext("anna"))["train"].targets.shape, (4, 3))

    def test_what_does_not_fit_is_refused_by_its_split(self):
        ids = np.zeros(4, np.int32)
        wrong = {
            "samples have shape": Split(np.zeros((4, 3)), ids),
            "classes 0 to 3 of 3": Split(np.zeros((4, 2)), np.array([0, 1, 2, 3])),
            "targets have shape": Split(np.zeros((4, 2)), np.zeros((4, 2), np.float32)),
            "not finite": Split(np.full((4, 2), np.nan), ids),
            "empty": Split(np.zeros((0, 2)), ids),
            "must be an array": Split(np.array([["a", "b"]] * 4), ids),
            "entente.Split": (np.zeros((4, 2)), ids),
        }
        for said, split in wrong.items():
            with self.assertRaisesRegex(Failure, f"train: .*{said}") as caught:
                shard(split).splits(ShardContext("anna"))
            self.assertEqual(caught.exception.code, "FL_SHARD_INVALID")
        with self.assertRaisesRegex(Failure, "description"):
            define_shard(description="", sample_shape=(1,), target_shape=(1,), load=print)
        with self.assertRaisesRegex(Failure, "sample_shape"):
            define_shard(description="d", sample_shape=(0,), target_shape=(1,), load=print)

    def test_windows_of_successive_rounds_cover_each_pass_once(self):
        for size, samples in ((10, 3), (7, 7), (5, 9), (16, 5)):
            width = min(samples, size)
            taken = np.concatenate([window_of(size, samples, round, 1, "anna") for round in range(3 * size)])
            for start in range(0, len(taken) - size, size):
                self.assertEqual(sorted(taken[start : start + size]), list(range(size)), (size, width))
        window = window_of(10, 10, 1, 1, "anna")
        np.testing.assert_array_equal(epoch_of(window, 0, 1, 1, "anna"), window)
        self.assertEqual(sorted(epoch_of(window, 1, 1, 1, "anna")), sorted(window))


if __name__ == "__main__":
    unittest.main()
