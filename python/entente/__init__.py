"""Workspaces and shards in Python for the Entente federated-learning runtime.

A workspace is a module ``workspace.py`` with ``experiment = define_experiment(…)``, a shard one with
``shard = define_shard(…)``. ``python3 -m entente.worker`` is the process that runs them; PyTorch is imported only when a
workspace uses it.
"""

from .experiment import Experiment, ModelContext, Place, TaskContext, define_experiment
from .failure import Cancelled, Failure
from .shard import Shard, ShardContext, Split, define_shard
from .trainer import Opening, RunContext, Trainer

__version__ = "0.1.0"

__all__ = [
    "Cancelled",
    "Experiment",
    "Failure",
    "ModelContext",
    "Opening",
    "Place",
    "RunContext",
    "Shard",
    "ShardContext",
    "Split",
    "TaskContext",
    "Trainer",
    "define_experiment",
    "define_shard",
]
