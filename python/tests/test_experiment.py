import os
import tempfile
import unittest

from entente import Cancelled, Experiment, Failure, define_experiment
from entente.failure import as_error
from entente.modules import defined, load_module


class ExperimentTest(unittest.TestCase):
    def test_a_definition_is_checked_when_it_is_made(self):
        wrong = {
            "model must": dict(model=None),
            "loss must be softmaxCrossEntropy or": dict(loss="crossEntropy"),
            "layout must": dict(layout="keras"),
            "adapter must": dict(adapter="flax"),
            "tasks: 'a b'": dict(tasks={"a b": print}),
            "tasks.audit must": dict(tasks={"audit": 3}),
            "metrics.f1 must": dict(metrics={"f1": None}),
        }
        for said, change in wrong.items():
            with self.assertRaisesRegex(Failure, said) as caught:
                define_experiment(**{"model": print, **change})
            self.assertEqual(caught.exception.code, "FL_WORKSPACE_INVALID")
        self.assertEqual(define_experiment(model=print).loss, "softmaxCrossEntropy")

    def test_a_module_finds_its_neighbours_and_says_what_it_lacks(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("neighbour_of_it", "x = 3"), ("it", "from neighbour_of_it import x\nexperiment = x")):
                with open(os.path.join(folder, f"{name}.py"), "w") as file:
                    file.write(text)
            module = load_module(os.path.join(folder, "it.py"))
            self.assertEqual(defined(module, "experiment", int, "FL_WORKSPACE_INVALID", "define_experiment"), 3)
            with self.assertRaisesRegex(Failure, r"experiment = define_experiment\(…\); it has a int"):
                defined(module, "experiment", Experiment, "FL_WORKSPACE_INVALID", "define_experiment")
            with self.assertRaisesRegex(Failure, "there is no module"):
                load_module(os.path.join(folder, "absent.py"))

    def test_an_error_has_its_traceback_and_a_failure_its_code(self):
        try:
            {}["absent"]
        except KeyError as error:
            told = as_error(error, "FL_TASK_FAILED")
        self.assertEqual((told["code"], told["reason"]), ("FL_TASK_FAILED", "KeyError: 'absent'"))
        self.assertIn("test_experiment.py", told["traceback"])
        self.assertEqual(as_error(Cancelled(), "FL_TASK_FAILED")["code"], "FL_CANCELLED")


if __name__ == "__main__":
    unittest.main()
