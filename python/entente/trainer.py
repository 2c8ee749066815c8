"""What trains in a worker: the adapter's side of the protocol."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple, Union

import numpy as np

from .shard import Split


@dataclass(frozen=True)
class Opening:
    """What a trainer is made for."""

    seed: int
    sample_shape: Tuple[int, ...]
    target_shape: Tuple[int, ...]
    device: str = "cpu"
    """``gpu-preferred`` or ``cpu``"""
    remembers: Optional[str] = None
    """``momentum`` or ``adam``: what this optimizer of ``train`` remembers is behind the model in the values"""


@dataclass(frozen=True)
class RunContext:
    """What a run is made with."""

    task: str
    arguments: Mapping[str, Any]
    data: Mapping[str, Split]
    round: int
    seed: int
    collaborator: str
    progress: Callable[[int, int], None]
    check: Callable[[], None]
    """raises :class:`entente.Cancelled` once the run is cancelled"""


class Trainer(Protocol):
    """An adapter for a kind of model. ``values`` is one float32 array: the tensors in the order of ``tensors``."""

    engine: str
    """``torch``, or what an adapter calls itself"""
    runtime: str
    """for people: with which release it computes"""
    device: str
    """``cpu`` or ``gpu``"""
    tensors: Sequence[Tuple[str, Sequence[int]]]
    """name and shape of each tensor"""
    paths: Optional[Sequence[str]]
    """how the workspace would call each of them, if that is something else"""

    def write(self, values: np.ndarray) -> None:
        """Copies the values into the model."""

    def read(self, values: np.ndarray) -> None:
        """Copies the model into the values."""

    def run(self, context: RunContext) -> Tuple[Dict[str, float], bool]:
        """Runs a task: its metrics, and whether it has changed the model."""

    def save(self, folder: str) -> None:
        """Writes the model in the framework's own format."""


def seed_from(*parts: Union[str, int]) -> int:
    """A seed of 32 bits for these parts, the same in every process."""
    text = json.dumps(parts, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def window_of(size: int, samples: int, round: int, seed: int, collaborator: str) -> np.ndarray:
    """The samples of a round's window.

    Windows of successive rounds lie end to end on one endless sequence of seeded permutations: every pass over the shard
    takes each sample once, and a window is found from its round alone.
    """
    width = min(samples, size)
    taken: List[np.ndarray] = []
    position, left = round * width, width
    while left > 0:
        number, start = divmod(position, size)
        permutation = np.random.RandomState(seed_from("pass", seed, collaborator, number)).permutation(size)
        piece = permutation[start : start + left]
        taken.append(piece)
        position, left = position + len(piece), left - len(piece)
    return np.concatenate(taken)


def epoch_of(window: np.ndarray, epoch: int, round: int, seed: int, collaborator: str) -> np.ndarray:
    """The window in the order of an epoch: its own order first, then shuffled anew."""
    if epoch == 0:
        return window
    return np.random.RandomState(seed_from("epoch", seed, collaborator, round, epoch)).permutation(window)
