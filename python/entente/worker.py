"""The worker: one process beside a collaborator, which speaks docs/worker-protocol.md on stdin and stdout.

``python3 -m entente.worker``

What users' code prints, by whatever means, goes to stderr. The process ends with the one that started it, also when that one
is killed and whatever users' code is doing.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from math import prod
from typing import Any, Dict, List, Optional

import numpy as np

from . import __version__
from .experiment import Experiment
from .failure import Cancelled, Failure, as_error
from .frames import Closed, Frames
from .modules import defined, load_module
from .shard import Shard, ShardContext, Split
from .trainer import Opening, RunContext, Trainer

VERSION = 1
ALIVE_S = 2.0
DTYPES = {"f32": np.float32, "i32": np.int32, "u8": np.uint8}
FAILS_AS = {
    "open": "FL_WORKSPACE_INVALID",
    "inspect": "FL_WORKSPACE_INVALID",
    "describe": "FL_SHARD_INVALID",
    "load": "FL_SHARD_FAILED",
    "run": "FL_TASK_FAILED",
}


class Worker:
    """Answers one request after the other. A thread reads, so that it hears of a cancelled run while one is under way."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._requests: "queue.Queue[dict]" = queue.Queue()
        self._cancelled = threading.Event()
        self._arriving: List[np.ndarray] = []
        self._data: Dict[str, Split] = {}
        self._opening: Optional[Opening] = None
        self._trainer: Optional[Trainer] = None
        self._values = np.zeros(0, np.float32)

    def serve(self) -> None:
        self._frames.send({"type": "hello", "v": VERSION, "worker": f"entente for Python {__version__}"})
        for body in (self._read, self._beat):
            threading.Thread(target=body, daemon=True).start()
        while True:
            request = self._requests.get()
            if request["type"] == "dispose":
                return
            self._answer(request)

    def _read(self) -> None:
        try:
            while True:
                request = self._frames.receive(self._places)
                if request["type"] == "cancel":
                    self._cancelled.set()
                else:
                    self._cancelled.clear()
                    self._requests.put(request)
        except Closed:
            end()
        except BaseException as error:  # noqa: BLE001: whatever it is, nothing can be heard any more
            print(f"entente: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            end()

    def _beat(self) -> None:
        never = threading.Event()
        while not never.wait(ALIVE_S):
            try:
                self._frames.send({"type": "alive"})
            except OSError:
                end()

    def _places(self, head: dict) -> List[memoryview]:
        """Where the chunks behind this head belong. The reading thread's; nothing else touches them meanwhile."""
        if head["type"] == "write":
            self._arriving = [self._values]
            if head["bytes"] != self._values.nbytes:
                raise ValueError(f"{head['bytes']} bytes of weights, the model has {self._values.nbytes}")
        elif head["type"] == "data":
            whole = [(head["samples"], head["sample_values"]), (head["targets"], head["target_values"])]
            self._arriving = [np.empty(count, DTYPES[kind]) for kind, count in whole]
        else:
            return []
        return [memoryview(array).cast("B") for array in self._arriving if array.size > 0]

    def _answer(self, request: dict) -> None:
        kind = request["type"]
        try:
            handler = getattr(self, f"_on_{kind}", None)
            if handler is None:
                raise Failure("FL_STATE", f"this worker knows no {kind}")
            reply = handler(request)
        except BaseException as error:  # noqa: BLE001: also SystemExit, which would be the end of a user's script only
            reply = {"error": as_error(error, FAILS_AS.get(kind, "FL_INTERNAL"))}
        sys.stdout.flush()
        sys.stderr.flush()
        self._frames.send({"type": "reply", "id": request["id"], **reply})

    # Requests

    def _on_inspect(self, request: dict) -> dict:
        return {"own": sorted(self._experiment(request).tasks)}

    def _on_describe(self, request: dict) -> dict:
        return self._described(self._shard(request))

    def _on_load(self, request: dict) -> dict:
        shard = self._shard(request)
        self._data = shard.splits(ShardContext(request["name"], request["params"], int(request["seed"])))
        sizes = {name: self._held(split) for name, split in self._data.items()}
        return {**self._described(shard), **sizes}

    def _on_fetch(self, request: dict) -> dict:
        """The other way round: a shard in Python for an engine that is not."""
        split = self._data[request["split"]]
        for array in (split.samples, split.targets):
            self._frames.send_chunks(memoryview(np.ascontiguousarray(array)).cast("B"))
        return {}

    def _on_data(self, request: dict) -> dict:
        opening, size = self._opened(), request["size"]
        samples, targets = self._arriving
        shape = opening.target_shape
        targets = targets if targets.size == size else targets.reshape(size, *shape)
        split = Split(samples.reshape(size, *opening.sample_shape), targets, request["scale"])
        self._data = {**self._data, request["split"]: split}
        self._arriving = []
        return {}

    def _on_open(self, request: dict) -> dict:
        experiment = self._experiment(request)
        opening = Opening(
            seed=int(request["seed"]),
            sample_shape=tuple(request["sample_shape"]),
            target_shape=tuple(request["target_shape"]),
            device=request["device"],
            remembers=request["remembers"],
        )
        trainer = (experiment.adapter or _torch)(experiment, opening)
        length = sum(prod(shape) for _, shape in trainer.tensors)
        moments = {None: 0, "momentum": 1, "adam": 2}[opening.remembers]
        self._values = np.zeros((1 + moments) * length + (opening.remembers == "adam"), np.float32)
        self._opening, self._trainer = opening, trainer
        return {
            "engine": trainer.engine,
            "runtime": trainer.runtime,
            "device": trainer.device,
            "tensors": [{"name": name, "shape": list(shape)} for name, shape in trainer.tensors],
            "own": sorted(experiment.tasks),
            **({} if trainer.paths is None else {"paths": list(trainer.paths)}),
        }

    def _on_write(self, _: dict) -> dict:
        self._opened()
        self._trainer.write(self._values)
        return {}

    def _on_read(self, _: dict) -> dict:
        self._opened()
        self._trainer.read(self._values)
        self._frames.send_chunks(memoryview(self._values).cast("B"))
        return {}

    def _on_run(self, request: dict) -> dict:
        self._opened()
        context = RunContext(
            task=request["task"],
            arguments=request["arguments"],
            data=self._data,
            round=request["round"],
            seed=int(request["seed"]),
            collaborator=request["collaborator"],
            progress=self._progress,
            check=self._check,
        )
        metrics, changed = self._trainer.run(context)
        self._check()
        return {"metrics": {str(name): float(value) for name, value in metrics.items()}, "changed": bool(changed)}

    def _on_save(self, request: dict) -> dict:
        self._opened()
        self._trainer.save(request["dir"])
        return {}

    # What they are made of

    def _experiment(self, request: dict) -> Experiment:
        module = load_module(os.path.join(request["dir"], request["entry"]))
        return defined(module, "experiment", Experiment, "FL_WORKSPACE_INVALID", "define_experiment")

    def _shard(self, request: dict) -> Shard:
        return defined(load_module(request["file"]), "shard", Shard, "FL_SHARD_INVALID", "define_shard")

    def _described(self, shard: Shard) -> dict:
        shapes = {"sample_shape": list(shard.sample_shape), "target_shape": list(shard.target_shape)}
        return {"description": shard.description, **shapes}

    def _held(self, split: Split) -> dict:
        kinds = {np.dtype(dtype).name: kind for kind, dtype in DTYPES.items()}
        return {
            "size": split.size,
            "scale": split.scale,
            "samples": kinds[split.samples.dtype.name],
            "sample_values": int(split.samples.size),
            "targets": kinds[split.targets.dtype.name],
            "target_values": int(split.targets.size),
        }

    def _opened(self) -> Opening:
        if self._opening is None:
            raise Failure("FL_STATE", "nothing is open")
        return self._opening

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def _progress(self, done: int, total: int) -> None:
        self._check()
        self._frames.send({"type": "progress", "done": int(done), "total": int(total)})


def _torch(experiment: Experiment, opening: Opening) -> Any:
    from .torch_trainer import TorchTrainer  # takes a second, and is not everybody's

    return TorchTrainer(experiment, opening)


def take_stdio() -> Frames:
    """The frames' own descriptors: 0 and 1 are /dev/null and stderr from here on, for C code as well."""
    reader, writer = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return Frames(reader, writer)


def end() -> None:
    """At once, with whatever this process has started: users' code may hold every lock there is."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the collaborator
    try:
        Worker(take_stdio()).serve()
    except BrokenPipeError:
        end()


if __name__ == "__main__":
    main()
