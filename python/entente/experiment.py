"""What a Python workspace defines: a model, its loss, its tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from .failure import Failure
from .shard import Split

LOSSES = ("softmaxCrossEntropy", "meanSquaredError")
LAYOUTS = ("torch", "tfjs")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z")


@dataclass(frozen=True)
class ModelContext:
    """What ``model`` is given. PyTorch's generators are seeded when it is called."""

    seed: int
    sample_shape: Tuple[int, ...]
    target_shape: Tuple[int, ...]
    device: str
    """what the model will be on, in PyTorch's terms: ``cpu``, ``cuda``"""


@dataclass(frozen=True)
class Place:
    """A tensor in the layout: its name there, the model's own tensor, and the axes of that one in the layout's order."""

    name: str
    tensor: Any
    axes: Optional[Sequence[int]] = None
    """``layout tensor = tensor.permute(axes)``; None where both have the same shape"""


@dataclass(frozen=True)
class TaskContext:
    """What a task of the workspace's own is given."""

    model: Any
    device: str
    data: Mapping[str, Split]
    """``train`` and ``validation``"""
    arguments: Mapping[str, Any]
    """the task's arguments from the plan, as they are: the task checks them"""
    round: int
    seed: int
    collaborator: str
    random: np.random.RandomState
    """seeded by the experiment, the collaborator, the round and the task's name, like PyTorch's, NumPy's and Python's own"""
    batches: Callable[..., Iterator[Any]]
    """``batches(split, batch_size=32, order=None)``: pairs of samples and targets, as the model takes them"""
    progress: Callable[[int, int], None]
    """``progress(done, total)``: samples; a sign of life"""
    check: Callable[[], None]
    """call it in long loops: raises once the run is cancelled"""


Task = Callable[[TaskContext], Mapping[str, float]]
Loss = Union[str, Callable[[Any, Any], Any]]
Layout = Union[str, Callable[[Any], List[Place]]]


@dataclass(frozen=True)
class Experiment:
    """Made by :func:`define_experiment`."""

    model: Callable[[ModelContext], Any]
    loss: Loss = "softmaxCrossEntropy"
    metrics: Dict[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    tasks: Dict[str, Task] = field(default_factory=dict)
    layout: Layout = "torch"
    adapter: Optional[Callable[..., Any]] = None


def define_experiment(
    *,
    model: Callable[[ModelContext], Any],
    loss: Loss = "softmaxCrossEntropy",
    metrics: Optional[Mapping[str, Callable[[Any, Any], Any]]] = None,
    tasks: Optional[Mapping[str, Task]] = None,
    layout: Layout = "torch",
    adapter: Optional[Callable[..., Any]] = None,
) -> Experiment:
    """Defines an experiment.

    :param model: builds the model, a ``torch.nn.Module`` unless there is an ``adapter``
    :param loss: ``softmaxCrossEntropy`` (takes logits), ``meanSquaredError``, or a function of outputs and targets: a mean
    :param metrics: further means over a batch, functions of outputs and targets, reported by ``validate``
    :param tasks: tasks of one's own by name; one called ``train`` or ``validate`` replaces the built-in one
    :param layout: ``torch``: names and shapes as PyTorch has them; ``tfjs``: as TensorFlow.js has them, so that sites of both
        kinds train one model; or a function of the model that returns a list of :class:`Place`
    :param adapter: ``adapter(experiment, opening)`` returns a :class:`entente.Trainer`: for models that are not PyTorch's
    """

    def fail(reason: str) -> None:
        raise Failure("FL_WORKSPACE_INVALID", reason)

    if not callable(model):
        fail("model must be a function")
    if not callable(loss) and loss not in LOSSES:
        fail(f"loss must be {' or '.join(LOSSES)}, or a function; it is {loss!r}")
    if not callable(layout) and layout not in LAYOUTS:
        fail(f"layout must be {' or '.join(LAYOUTS)}, or a function; it is {layout!r}")
    if adapter is not None and not callable(adapter):
        fail("adapter must be a function")
    for what, functions in (("metrics", metrics or {}), ("tasks", tasks or {})):
        for name, function in functions.items():
            if not isinstance(name, str) or not _NAME.match(name):
                fail(f"{what}: {name!r} must be letters, digits, '-' and '_', a letter first")
            if not callable(function):
                fail(f"{what}.{name} must be a function")
    return Experiment(model, loss, dict(metrics or {}), dict(tasks or {}), layout, adapter)
