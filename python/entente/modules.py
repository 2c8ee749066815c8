"""A user's module by its file, and what it has defined."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any

from .failure import Failure


def load_module(file: str) -> Any:
    """Runs the file as a module; what it imports is looked for in its folder first."""
    folder, name = os.path.split(os.path.abspath(file))
    stem = os.path.splitext(name)[0]
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(stem, os.path.join(folder, name))
    if spec is None or spec.loader is None or not os.path.isfile(file):
        raise Failure("FL_NOT_FOUND", f"there is no module {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module
    spec.loader.exec_module(module)
    return module


def defined(module: Any, name: str, kind: type, code: str, helper: str) -> Any:
    """The module's variable of this name, which is one of this kind."""
    value = getattr(module, name, None)
    if isinstance(value, kind):
        return value
    found = "has none" if value is None else f"has a {type(value).__name__} of that name"
    raise Failure(code, f"the module must have {name} = {helper}(…); it {found}")
