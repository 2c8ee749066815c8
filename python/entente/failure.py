"""Failures with a code of the runtime's table (docs/errors.md)."""

from __future__ import annotations

import traceback

MOST = 16_000
"""characters of a traceback that travel: its end, which says what happened"""


class Failure(Exception):
    """Something that has a code: ``FL_WORKSPACE_INVALID``, ``FL_SHARD_INVALID``, ``FL_TASK_FAILED`` …"""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Cancelled(Failure):
    """The run is not wanted any more. Raised where a task gives it the chance to (``context.check()``)."""

    def __init__(self) -> None:
        super().__init__("FL_CANCELLED", "the run was cancelled")


def as_error(error: BaseException, code: str) -> dict:
    """What is told of an exception; ``code`` is that of one which has none of its own."""
    if isinstance(error, Failure):
        said = {"code": error.code, "reason": error.reason}
        return {**said, "traceback": _trace(error)} if error.__cause__ is not None else said
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    known = {"missing": error.name} if isinstance(error, ModuleNotFoundError) and error.name else {}
    return {"code": code, "reason": said, "traceback": _trace(error), **known}


def _trace(error: BaseException) -> str:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return text if len(text) <= MOST else "…" + text[-MOST:]
