"""Faults of a worker's side, each a task."""

import os
import signal
import subprocess
import sys

import numpy as np

from entente import define_experiment


class Line:
    """An adapter that needs no PyTorch: one weight, which every training makes one more."""

    engine, runtime, device, paths = "line", "", "cpu", None
    tensors = [("w", [2])]

    def __init__(self, experiment, opening):
        self.experiment = experiment
        self.values = np.zeros(2, np.float32)

    def write(self, values):
        self.values[:] = values

    def read(self, values):
        values[:] = self.values

    def run(self, context):
        task = self.experiment.tasks.get(context.task)
        if task is not None:
            return task(context), True
        self.values += 1
        return {"loss": 1.0, "samples": context.data["train"].size}, context.task == "train"

    def save(self, folder):
        pass


def crash(context):
    print("about to crash", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def leave(context):
    sys.exit("I have had enough")


def hang(context):
    while True:
        pass


def freeze(context):
    os.kill(os.getpid(), signal.SIGSTOP)


def garble(context):
    os.write(int(os.environ.get("FRAMES", "3")), b"\xff" * 64)
    hang(context)


def spawn(context):
    child = subprocess.Popen(["sleep", "600"])
    return {"pid": child.pid}


def oops(context):
    return {"value": 1 / len(context.arguments)}


tasks = {f.__name__: f for f in (crash, leave, hang, freeze, garble, spawn, oops)}
experiment = define_experiment(model=lambda context: None, adapter=Line, tasks=tasks)
