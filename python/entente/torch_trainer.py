"""The adapter for PyTorch: a ``torch.nn.Module``, the built-in tasks ``train`` and ``validate``, and the workspace's own.

Works with PyTorch from 1.13 on. It is imported here, and only when a workspace has a model of its kind.
"""

from __future__ import annotations

import os
import random
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

import numpy as np
import torch
from torch.nn import functional

from .experiment import Experiment, ModelContext, TaskContext
from .failure import Failure
from .shard import Split
from .torch_layout import in_layout, inverse, places_of, shape_of, size_of
from .trainer import Opening, RunContext, epoch_of, seed_from, window_of

CONVERTED = 256 << 20
"""bytes of samples that are kept as float32 at most; beyond, bytes stay bytes and are converted batch by batch"""
PROGRESS_S = 0.2
MOMENTS = {"momentum": ("momentum_buffer",), "adam": ("exp_avg", "exp_avg_sq")}
ADAM_EPS = 1e-7  # TensorFlow.js's, so that a plan means the same on either engine


class TorchTrainer:
    """The :class:`entente.Trainer` of a PyTorch model."""

    engine = "torch"

    def __init__(self, experiment: Experiment, opening: Opening) -> None:
        self.runtime = f"torch {torch.__version__}"
        on_gpu = opening.device == "gpu-preferred" and torch.cuda.is_available()
        self.device = "gpu" if on_gpu else "cpu"
        self._on = torch.device("cuda" if on_gpu else "cpu")
        self._experiment = experiment
        self._opening = opening
        self._model = self._built()
        self._places = places_of(self._model, experiment.layout)
        self.tensors = [(place.name, shape_of(place)) for place in self._places]
        self.paths = self._paths()
        self._length = sum(size_of(place) for place in self._places)
        kinds = MOMENTS[opening.remembers] if opening.remembers else ()
        steps = 1 if opening.remembers == "adam" else 0
        self._memory = np.zeros(steps + len(kinds) * self._length, np.float32)
        self._ready: Dict[int, Tuple[Split, torch.Tensor, torch.Tensor]] = {}

    def write(self, values: np.ndarray) -> None:
        flat = torch.from_numpy(values)
        with torch.no_grad():
            for place, piece in self._pieces(flat):
                in_layout(place.tensor, place.axes).copy_(piece)
        self._memory[:] = values[self._length :]

    def read(self, values: np.ndarray) -> None:
        flat = torch.from_numpy(values)
        with torch.no_grad():
            for place, piece in self._pieces(flat):
                piece.copy_(in_layout(place.tensor, place.axes))
        values[self._length :] = self._memory

    def run(self, context: RunContext) -> Tuple[Dict[str, float], bool]:
        seed = seed_from("task", context.task, context.seed, context.collaborator, context.round)
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        own = self._experiment.tasks.get(context.task)
        if own is not None:
            return dict(own(self._context(context, seed))), True
        if context.task == "train":
            return self._train(context), True
        return self._validate(context), False

    def save(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        unfinished = os.path.join(folder, ".model.pt.part")
        torch.save(self._model.state_dict(), unfinished)
        os.replace(unfinished, os.path.join(folder, "model.pt"))

    def _built(self) -> torch.nn.Module:
        opening = self._opening
        shapes = (opening.sample_shape, opening.target_shape)
        torch.manual_seed(seed_from("model", opening.seed))
        model = self._experiment.model(ModelContext(opening.seed, *shapes, self._on.type))
        if not isinstance(model, torch.nn.Module):
            raise Failure("FL_WORKSPACE_INVALID", "model must return a torch.nn.Module")
        model = model.to(self._on)
        model.eval()
        with torch.no_grad():
            made = model(torch.zeros((2, *opening.sample_shape), device=self._on))
        if not callable(self._experiment.loss) and tuple(made.shape[1:]) != tuple(opening.target_shape):
            said = f"its output has shape {list(made.shape[1:])}, the shard's is {list(opening.target_shape)}"
            raise Failure("FL_WORKSPACE_INVALID", f"model: {said}")
        return model

    def _paths(self) -> Optional[List[str]]:
        named = [*self._model.named_parameters(), *self._model.named_buffers()]
        names = {id(tensor): name.replace(".", "/") for name, tensor in named}
        paths = [names.get(id(place.tensor), place.name) for place in self._places]
        return None if paths == [place.name for place in self._places] else paths

    def _pieces(self, flat: torch.Tensor) -> Iterator[Tuple[Any, torch.Tensor]]:
        at = 0
        for place in self._places:
            size = size_of(place)
            yield place, flat[at : at + size].view(shape_of(place))
            at += size

    # Tasks

    def _train(self, context: RunContext) -> Dict[str, float]:
        args, split = context.arguments, context.data["train"]
        samples, targets = self._tensors(split)
        window = window_of(split.size, args.get("samples") or split.size, context.round, context.seed, context.collaborator)
        count, batch_size, epochs = len(window), args["batchSize"], args["epochs"]
        accuracy = self._counts_accuracy(split)
        model, optimizer, measure = self._model, self._optimizer(args), self._measure()
        on_cpu = self._on.type == "cpu"
        self._recall(optimizer)
        proximal = args.get("proximal") or 0.0
        anchors = [(p, p.detach().clone()) for p in model.parameters() if p.requires_grad] if proximal > 0 else []
        model.train()
        told, done, loss, correct = time.monotonic(), 0, 0.0, 0
        for epoch in range(epochs):
            order = epoch_of(window, epoch, context.round, context.seed, context.collaborator)
            indices = torch.from_numpy(order).to(self._on)
            losses, corrects = [], []
            for start in range(0, count, batch_size):
                context.check()
                chosen = indices[start : start + batch_size]
                x, y = self._batch(split, samples, chosen), targets.index_select(0, chosen)
                optimizer.zero_grad(set_to_none=True)
                outputs = model(x)
                value = measure(outputs, y)
                value.backward()
                for weight, anchor in anchors:  # FedProx: towards what the round began with
                    if weight.grad is not None:
                        weight.grad.add_(weight.detach() - anchor, alpha=proximal)
                optimizer.step()
                size = len(chosen)
                # On a GPU nothing is waited for before the epoch's end; on the CPU a number is cheaper than a tensor.
                measured = value.item() if on_cpu else value.detach()
                if on_cpu and measured - measured != 0.0:
                    raise _diverged(measured, done, context.round)
                losses.append(measured * size)
                if accuracy:
                    corrects.append(self._correct(outputs, y))
                done += size
                now = time.monotonic()
                if now - told > PROGRESS_S:
                    told = now
                    context.progress(done, count * epochs)
            loss, correct = float(sum(losses)), int(sum(corrects))
            if loss - loss != 0.0:
                raise _diverged(loss / count, done, context.round)
        self._memorize(optimizer)
        context.progress(done, count * epochs)
        return {"loss": loss / count, **({"accuracy": correct / count} if accuracy else {}), "samples": done}

    def _validate(self, context: RunContext) -> Dict[str, float]:
        args, split = context.arguments, context.data[context.arguments["split"]]
        samples, targets = self._tensors(split)
        accuracy, measure, own = self._counts_accuracy(split), self._measure(), self._experiment.metrics
        sums = {"loss": 0.0, **({"accuracy": 0.0} if accuracy else {}), **{name: 0.0 for name in own}}
        told, size = time.monotonic(), args["batchSize"]
        self._model.eval()
        with torch.no_grad():
            for start in range(0, split.size, size):
                context.check()
                x = self._converted(split, samples[start : start + size])
                y = targets[start : start + size]
                outputs = self._model(x)
                sums["loss"] += float(measure(outputs, y)) * len(x)
                if accuracy:
                    sums["accuracy"] += int(self._correct(outputs, y))
                for name, metric in own.items():
                    sums[name] += float(metric(outputs, y)) * len(x)
                if time.monotonic() - told > PROGRESS_S:
                    told = time.monotonic()
                    context.progress(start + len(x), split.size)
        context.progress(split.size, split.size)
        return {**{name: value / split.size for name, value in sums.items()}, "samples": split.size}

    def _context(self, context: RunContext, seed: int) -> TaskContext:
        def batches(split: Split, batch_size: int = 32, order: Optional[np.ndarray] = None):
            samples, targets = self._tensors(split)
            indices = torch.from_numpy(np.arange(split.size) if order is None else np.asarray(order)).to(self._on)
            for start in range(0, len(indices), batch_size):
                context.check()
                chosen = indices[start : start + batch_size]
                yield self._batch(split, samples, chosen), targets.index_select(0, chosen)

        return TaskContext(
            model=self._model,
            device=self._on.type,
            data=context.data,
            arguments=context.arguments,
            round=context.round,
            seed=context.seed,
            collaborator=context.collaborator,
            random=np.random.RandomState(seed),
            batches=batches,
            progress=context.progress,
            check=context.check,
        )

    # Data and loss

    def _tensors(self, split: Split) -> Tuple[torch.Tensor, torch.Tensor]:
        """The split on the device, converted once."""
        kept = self._ready.get(id(split))
        if kept is not None and kept[0] is split:
            return kept[1], kept[2]
        samples = torch.from_numpy(_writable(split.samples)).to(self._on)
        if split.samples.size * 4 <= CONVERTED:
            samples = samples.to(torch.float32)
            samples = samples * split.scale if split.scale != 1.0 else samples
        targets = torch.from_numpy(_writable(split.targets)).to(self._on)
        targets = targets.to(torch.int64 if self._classes(split) else torch.float32)
        if len(self._ready) >= 2:
            self._ready.clear()  # of data that has been replaced
        self._ready[id(split)] = (split, samples, targets)
        return samples, targets

    def _batch(self, split: Split, samples: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return self._converted(split, samples.index_select(0, chosen))

    def _converted(self, split: Split, batch: torch.Tensor) -> torch.Tensor:
        if split.samples.size * 4 <= CONVERTED:
            return batch
        batch = batch.to(torch.float32)
        return batch * split.scale if split.scale != 1.0 else batch

    def _classes(self, split: Split) -> bool:
        return split.has_classes(self._opening.target_shape)

    def _measure(self) -> Callable[[Any, Any], Any]:
        loss, width = self._experiment.loss, self._opening.target_shape
        if callable(loss):
            return loss
        if loss == "softmaxCrossEntropy":
            return functional.cross_entropy

        def squared(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            ids = targets.dtype == torch.int64
            return functional.mse_loss(outputs, functional.one_hot(targets, width[0]).float() if ids else targets)

        return squared

    def _counts_accuracy(self, split: Split) -> bool:
        shape = self._opening.target_shape
        counted = self._experiment.loss == "softmaxCrossEntropy" or self._classes(split)
        return len(shape) == 1 and shape[0] > 1 and counted

    def _correct(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        if self._on.type == "cpu":  # half the time of the same in tensors
            right = targets.numpy() if targets.dim() == 1 else targets.numpy().argmax(1)
            return int(np.count_nonzero(outputs.detach().numpy().argmax(1) == right))
        return (outputs.detach().argmax(1) == (targets if targets.dim() == 1 else targets.argmax(1))).sum()

    # What the optimizer remembers

    def _optimizer(self, args: Mapping[str, Any]) -> torch.optim.Optimizer:
        trained = [p for p in self._model.parameters() if p.requires_grad]
        if args["optimizer"] == "adam":
            return torch.optim.Adam(trained, lr=args["learningRate"], eps=ADAM_EPS)
        momentum = args["momentum"] if args["optimizer"] == "momentum" else 0.0
        return torch.optim.SGD(trained, lr=args["learningRate"], momentum=momentum)

    def _slots(self) -> Iterator[Tuple[Any, str, torch.Tensor]]:
        """Each trained parameter's memory, moment by moment, as views in the layout's order of axes."""
        kind = self._opening.remembers
        flat = torch.from_numpy(self._memory)
        at = 1 if kind == "adam" else 0
        for moment in MOMENTS[kind] if kind else ():
            for place, piece in self._pieces(flat[at : at + self._length]):
                if place.tensor.requires_grad:
                    yield place, moment, piece
            at += self._length

    def _recall(self, optimizer: torch.optim.Optimizer) -> None:
        for place, moment, piece in self._slots():
            values = piece if place.axes is None else piece.permute(*inverse(place.axes))
            # What has been averaged is taken as it is, but for squares below nothing.
            values = values.clamp(min=0) if moment == "exp_avg_sq" else values
            state = optimizer.state[place.tensor]
            state[moment] = values.to(self._on).clone(memory_format=torch.contiguous_format)
            if moment != "momentum_buffer":
                state["step"] = torch.tensor(max(0.0, float(self._memory[0])))

    def _memorize(self, optimizer: torch.optim.Optimizer) -> None:
        with torch.no_grad():
            for place, moment, piece in self._slots():
                state = optimizer.state.get(place.tensor, {})
                if state.get(moment) is None:
                    continue  # the loss does not see it
                piece.copy_(in_layout(state[moment], place.axes))
                if moment != "momentum_buffer":
                    self._memory[0] = float(state["step"])


def _diverged(loss: float, done: int, round: int) -> Failure:
    return Failure("FL_UPDATE_RANGE", f"the loss is {loss} after {done} samples of round {round}")


def _writable(array: np.ndarray) -> np.ndarray:
    return array if array.flags.writeable else array.copy()
