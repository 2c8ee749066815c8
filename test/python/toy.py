"""The toy of test/contract/engine.ts in PyTorch, in TensorFlow.js's layout."""

import torch

from entente import define_experiment

RATE = 0.1


def model(context):
    inputs, outputs = context.sample_shape[0], context.target_shape[0]
    return torch.nn.Sequential(
        torch.nn.Linear(inputs, 6),
        torch.nn.ReLU(),
        torch.nn.Dropout(RATE),  # masks must repeat as well
        torch.nn.Linear(6, outputs),
    )


def count(context):
    samples = sum(len(x) for x, _ in context.batches(context.data["train"], batch_size=7))
    return {"samples": samples, "drawn": context.random.rand(), "given": context.arguments.get("n", 0)}


def broken(context):
    raise RuntimeError("out of luck")


def endless(context):
    while True:
        context.check()


def nothing(context):
    return {"value": float("nan")}


tasks = {"count": count, "broken": broken, "endless": endless, "nothing": nothing}
experiment = define_experiment(model=model, tasks=tasks, layout="tfjs")
