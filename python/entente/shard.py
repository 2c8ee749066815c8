"""A data owner's shard: what its data looks like, and how it is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any, Callable, Mapping, Sequence, Tuple, Union

import numpy as np

from .failure import Failure

SAMPLES = ("float32", "uint8")
TARGETS = ("float32", "int32", "uint8")


@dataclass(frozen=True)
class Split:
    """Samples with their targets.

    ``samples`` is an array of float32 or uint8 whose first axis counts samples; ``scale`` multiplies it in batches (1/255 for
    images kept as bytes). ``targets`` are class ids (int32 or uint8, one a sample) for a target shape ``(C,)``, else values.
    """

    samples: np.ndarray
    targets: np.ndarray
    scale: float = 1.0

    @property
    def size(self) -> int:
        return len(self.samples)

    def has_classes(self, target_shape: Sequence[int]) -> bool:
        """Whether the targets are class ids."""
        whole = self.targets.dtype.kind in "iu" and self.targets.size == self.size
        return whole and len(target_shape) == 1 and target_shape[0] > 1


@dataclass(frozen=True)
class ShardContext:
    """What ``load`` is given: the collaborator's name, what the envoy's settings say under ``params``, the plan's seed."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


Splits = Tuple[Split, Split]
Load = Callable[[ShardContext], Union[Splits, Mapping[str, Split]]]


@dataclass(frozen=True)
class Shard:
    """Made by :func:`define_shard`."""

    description: str
    sample_shape: Tuple[int, ...]
    target_shape: Tuple[int, ...]
    load: Load

    def splits(self, context: ShardContext) -> "dict[str, Split]":
        """Loads and checks both splits: ``{"train": …, "validation": …}``."""
        loaded = self.load(context)
        if not isinstance(loaded, Mapping):
            if not isinstance(loaded, (tuple, list)) or len(loaded) != 2:
                raise Failure("FL_SHARD_INVALID", "load must return (train, validation)")
            loaded = {"train": loaded[0], "validation": loaded[1]}
        names = ("train", "validation")
        return {name: checked(name, loaded.get(name), self.sample_shape, self.target_shape) for name in names}


def define_shard(*, description: str, sample_shape: Sequence[int], target_shape: Sequence[int], load: Load) -> Shard:
    """Describes a shard. ``load(context)`` returns ``(train, validation)``, two :class:`Split`; it runs where the data is."""
    if not isinstance(description, str) or not 1 <= len(description) <= 1024:
        raise Failure("FL_SHARD_INVALID", "description must be a text of 1 to 1024 characters")
    if not callable(load):
        raise Failure("FL_SHARD_INVALID", "load must be a function")
    return Shard(description, _shape("sample_shape", sample_shape), _shape("target_shape", target_shape), load)


def _shape(what: str, given: Sequence[int]) -> Tuple[int, ...]:
    shape = tuple(int(n) for n in given)
    if len(shape) > 8 or any(n < 1 for n in shape):
        raise Failure("FL_SHARD_INVALID", f"{what} must be at most 8 whole numbers from 1 up")
    return shape


def checked(name: str, split: Any, sample_shape: Sequence[int], target_shape: Sequence[int]) -> Split:
    """The split in the form that everything else relies on: contiguous, of the shapes, all values finite."""

    def fail(reason: str) -> None:
        raise Failure("FL_SHARD_INVALID", f"{name}: {reason}")

    if not isinstance(split, Split):
        fail("it must be an entente.Split")
    samples, targets = _array(split.samples, SAMPLES), _array(split.targets, TARGETS)
    if samples is None:
        fail("samples must be an array of float32 or uint8")
    if targets is None:
        fail("targets must be an array of float32, int32 or uint8")
    size = len(samples)
    if size < 1:
        fail("it is empty")
    if samples.size != size * prod(sample_shape):
        fail(f"samples have shape {list(samples.shape)}, expected {[size, *sample_shape]}")
    if not np.isfinite(split.scale):
        fail("scale is not a finite number")
    whole = Split(samples.reshape(size, *sample_shape), targets, float(split.scale))
    if whole.has_classes(target_shape):
        whole = Split(whole.samples, targets.reshape(size), whole.scale)
        low, high = int(targets.min()), int(targets.max())
        if low < 0 or high >= target_shape[0]:
            fail(f"targets are classes {low} to {high} of {target_shape[0]}")
    elif targets.size != size * prod(target_shape):
        fail(f"targets have shape {list(targets.shape)}, expected {[size, *target_shape]}")
    else:
        whole = Split(whole.samples, targets.reshape(size, *target_shape), whole.scale)
    for what, values in (("sample", samples), ("target", targets)):
        if values.dtype == np.float32 and not np.isfinite(values).all():
            fail(f"a {what} value is not finite")
    return whole


def _array(values: Any, dtypes: Sequence[str]) -> "np.ndarray | None":
    """As one of these types: wider floats and integers are taken as the narrower, which class ids always fit."""
    array = np.ascontiguousarray(values)
    if array.dtype.name in dtypes:
        return array
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.kind in "iub" and "int32" in dtypes:
        return array.astype(np.int32)
    return None
