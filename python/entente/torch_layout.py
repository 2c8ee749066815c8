"""A PyTorch model's tensors as a layout: PyTorch's own, TensorFlow.js's, or one of the workspace's.

A layout has parameters and buffers, also those that are not trained, but for buffers of integers (``num_batches_tracked``),
which stay where they are: what is federated is float32.
"""

from __future__ import annotations

from math import prod
from typing import Any, List, Optional, Sequence

from .experiment import Layout, Place
from .failure import Failure

# How TensorFlow.js keeps what PyTorch keeps, by module and tensor: the kind's name, and PyTorch's axes in its order.
_DENSE = {"weight": ("kernel", (1, 0)), "bias": ("bias", None)}
_NORM = {
    "weight": ("gamma", None),
    "bias": ("beta", None),
    "running_mean": ("moving_mean", None),
    "running_var": ("moving_variance", None),
}
_KINDS = {
    "Linear": _DENSE,
    "Conv1d": {"weight": ("kernel", (2, 1, 0)), "bias": ("bias", None)},
    "Conv2d": {"weight": ("kernel", (2, 3, 1, 0)), "bias": ("bias", None)},
    "Conv3d": {"weight": ("kernel", (2, 3, 4, 1, 0)), "bias": ("bias", None)},
    "BatchNorm1d": _NORM,
    "BatchNorm2d": _NORM,
    "BatchNorm3d": _NORM,
    "LayerNorm": _NORM,
    "Embedding": {"weight": ("embeddings", None)},
}


def places_of(model: Any, layout: Layout) -> List[Place]:
    """The model's tensors in the layout's order."""
    if callable(layout):
        places = list(layout(model))
        if not all(isinstance(place, Place) for place in places):
            _fail("layout must return a list of entente.Place")
    else:
        places = _as_tfjs(model) if layout == "tfjs" else _as_torch(model)
    for place in places:
        if str(place.tensor.dtype) != "torch.float32":
            _fail(f"its tensor {place.name} is {place.tensor.dtype}; only torch.float32 is federated")
        if place.axes is not None and sorted(place.axes) != list(range(place.tensor.dim())):
            _fail(f"axes of {place.name} are {list(place.axes)}, its tensor has {place.tensor.dim()}")
    if not any(place.tensor.requires_grad for place in places):
        _fail("it has nothing to train")
    return places


def shape_of(place: Place) -> List[int]:
    shape = list(place.tensor.shape)
    return shape if place.axes is None else [shape[axis] for axis in place.axes]


def size_of(place: Place) -> int:
    return prod(place.tensor.shape)


def inverse(axes: Sequence[int]) -> List[int]:
    return [list(axes).index(i) for i in range(len(axes))]


def in_layout(tensor: Any, axes: Optional[Sequence[int]]) -> Any:
    """A view in the layout's order of axes."""
    return tensor if axes is None else tensor.permute(*axes)


def _as_torch(model: Any) -> List[Place]:
    lasting = set(model.state_dict().keys())
    parameters = [Place(name, p) for name, p in model.named_parameters()]
    buffers = [Place(name, b) for name, b in model.named_buffers() if name in lasting and b.is_floating_point()]
    return parameters + buffers


def _as_tfjs(model: Any) -> List[Place]:
    """``<index>.<kind>``, the trained ones first, as a TensorFlow.js LayersModel numbers them."""
    trained, rest = [], []
    for name, module in model.named_modules():
        kind = _KINDS.get(type(module).__name__)
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for tensor_name, tensor in own:
            if not tensor.is_floating_point():
                continue
            if kind is None or tensor_name not in kind:
                has = f"{name}.{tensor_name}" if name else tensor_name
                _fail(f"layout tfjs does not know {has} of a {type(module).__name__}; give a function as layout")
            into = trained if tensor.requires_grad else rest
            into.append((*kind[tensor_name], tensor))
    return [Place(f"{i}.{kind}", tensor, axes) for i, (kind, axes, tensor) in enumerate(trained + rest)]


def _fail(reason: str) -> None:
    raise Failure("FL_WORKSPACE_INVALID", f"model: {reason}")
