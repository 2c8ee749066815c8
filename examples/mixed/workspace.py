"""The same model as workspace.ts beside it. ``layout="tfjs"`` gives its tensors the names and shapes that they have there."""

from torch import nn

from entente import define_experiment


def model(context):
    return nn.Sequential(
        nn.Linear(context.sample_shape[0], 16),
        nn.ReLU(),
        nn.Linear(16, context.target_shape[0]),
    )


experiment = define_experiment(model=model, layout="tfjs")
