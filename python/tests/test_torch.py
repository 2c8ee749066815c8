import gc
import tempfile
import unittest

import numpy as np

try:
    import torch
except ImportError:
    torch = None

from entente import Failure, Opening, Place, RunContext, Split, define_experiment


def context(task="train", data=None, **arguments):
    given = {"epochs": 1, "batchSize": 8, "learningRate": 0.1, "optimizer": "sgd", "momentum": 0.9, "proximal": 0.0, "split": "validation"}
    return RunContext(
        task=task,
        arguments={**given, **arguments},
        data=data,
        round=1,
        seed=5,
        collaborator="anna",
        progress=lambda done, total: None,
        check=lambda: None,
    )


def images(size=32, classes=True):
    chance = np.random.RandomState(1)
    targets = chance.randint(0, 3, size).astype(np.int32) if classes else chance.rand(size, 3).astype(np.float32)
    split = Split(chance.randint(0, 255, (size, 1, 6, 6)).astype(np.uint8), targets, scale=1 / 255)
    return {"train": split, "validation": split}


@unittest.skipIf(torch is None, "torch is not installed")
class TorchTest(unittest.TestCase):
    def trainer(self, model=None, remembers=None, **definition):
        from entente.torch_trainer import TorchTrainer

        nn = torch.nn

        def network(context):
            return nn.Sequential(
                nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)
            )

        experiment = define_experiment(model=model or network, **definition)
        opening = Opening(seed=1, sample_shape=(1, 6, 6), target_shape=(3,), remembers=remembers)
        return TorchTrainer(experiment, opening)

    def values(self, trainer):
        sizes = [int(np.prod(shape)) for _, shape in trainer.tensors]
        out = np.zeros(sum(sizes) + len(trainer._memory), np.float32)
        trainer.read(out)
        return out

    def test_a_layout_has_what_is_float_in_its_order_and_axes(self):
        names = [name for name, _ in self.trainer().tensors]
        self.assertEqual(names[:3], ["0.weight", "0.bias", "1.weight"])
        self.assertNotIn("1.num_batches_tracked", names)
        tfjs = self.trainer(layout="tfjs")
        self.assertEqual(
            tfjs.tensors,
            [
                ("0.kernel", [3, 3, 1, 2]),
                ("1.bias", [2]),
                ("2.gamma", [2]),
                ("3.beta", [2]),
                ("4.kernel", [32, 3]),
                ("5.bias", [3]),
                ("6.moving_mean", [2]),
                ("7.moving_variance", [2]),
            ],
        )
        self.assertEqual(tfjs.paths[0], "0/weight")
        own = self.trainer(layout=lambda m: [Place("head", m[4].weight, (1, 0)), Place("b", m[4].bias)])
        self.assertEqual(own.tensors, [("head", [32, 3]), ("b", [3])])
        values = np.arange(99, dtype=np.float32)
        own.write(values)
        self.assertEqual(own._model[4].weight[1, 2].item(), values[2 * 3 + 1])
        np.testing.assert_array_equal(self.values(own), values)

    def test_a_model_that_does_not_fit_is_refused(self):
        nn = torch.nn
        flat = lambda *rest: nn.Sequential(nn.Flatten(), *rest)  # noqa: E731
        wrong = {
            "must return a torch.nn.Module": lambda c: 3,
            r"output has shape \[2\], the shard's is \[3\]": lambda c: flat(nn.Linear(36, 2)),
            "only torch.float32": lambda c: flat(nn.Linear(36, 3), nn.Linear(3, 3).requires_grad_(False)).half(),
        }
        for said, model in wrong.items():
            with self.assertRaises((Failure, RuntimeError)) as caught:
                self.trainer(model=model)
            if isinstance(caught.exception, Failure):
                self.assertRegex(str(caught.exception), said)
        frozen = lambda c: flat(nn.Linear(36, 3)).requires_grad_(False)  # noqa: E731
        with self.assertRaisesRegex(Failure, "nothing to train"):
            self.trainer(model=frozen)
        with self.assertRaisesRegex(Failure, "does not know 1.weight_ih_l0 of a GRU"):
            self.trainer(model=lambda c: odd(nn), layout="tfjs")

    def test_losses_metrics_and_targets_of_every_kind(self):
        for loss in ("softmaxCrossEntropy", "meanSquaredError", lambda o, t: (o.sum(1) * 0 + 2).mean()):
            for classes in (True, False):
                trainer = self.trainer(loss=loss, metrics={"top": lambda o, t: o.max()})
                data = images(classes=classes)
                told, changed = trainer.run(context("validate", data))
                self.assertFalse(changed)
                self.assertEqual({"loss", "top", "samples"} - set(told), set())
                if not callable(loss):
                    self.assertTrue(trainer.run(context("train", data, learningRate=0.01))[1])

    def test_bytes_too_many_to_convert_at_once_give_the_same(self):
        from entente import torch_trainer

        kept, results = torch_trainer.CONVERTED, []
        try:
            for limit in (kept, 0):
                torch_trainer.CONVERTED = limit
                trainer = self.trainer()
                trainer.run(context("train", images()))
                results.append(self.values(trainer))
        finally:
            torch_trainer.CONVERTED = kept
        np.testing.assert_allclose(*results, atol=1e-6)

    def test_what_an_optimizer_remembers_is_in_the_layouts_axes(self):
        one, other = self.trainer(remembers="adam", layout="tfjs"), self.trainer(remembers="adam", layout="torch")
        for trainer in (one, other):
            trainer.run(context("train", images(), optimizer="adam"))
        self.assertEqual(one._memory[0], 4)
        length = one._length
        kernel = one._memory[1 : 1 + 18].reshape(3, 3, 1, 2)
        np.testing.assert_allclose(kernel.transpose(3, 2, 0, 1).ravel(), other._memory[1 : 1 + 18], atol=1e-6)
        self.assertTrue((one._memory[1 + length :] >= 0).all())

    def test_runs_leave_no_tensors_behind(self):
        trainer, data = self.trainer(), images()
        count = lambda: sum(torch.is_tensor(o) for o in gc.get_objects())  # noqa: E731
        seen = []
        for _ in range(12):
            trainer.run(context("train", data))
            trainer.run(context("validate", data))
            gc.collect()
            seen.append(count())
        self.assertEqual(seen[2], seen[-1])

    def test_a_model_is_saved_as_a_state_dict(self):
        trainer = self.trainer()
        with tempfile.TemporaryDirectory() as folder:
            trainer.save(f"{folder}/a")
            loaded = torch.load(f"{folder}/a/model.pt")
        self.assertEqual(set(loaded), set(trainer._model.state_dict()))


def odd(nn):
    """With a module that TensorFlow.js has no like of."""

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(36, 3)
            self.add_module("1", nn.GRU(2, 2))

        def forward(self, x):
            return self.line(x.flatten(1))

    return Odd()


if __name__ == "__main__":
    unittest.main()
