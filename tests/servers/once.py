"""Real servers are started once for a whole test run, and stopped when it ends."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

_STARTED: dict[Any, Any] = {}
_STACK = ExitStack()
atexit.register(_STACK.close)
T = TypeVar("T")


def once(start: Callable[[], AbstractContextManager[T]]) -> T:
    """What `start` yields; started at the first call, stopped when the process ends."""
    if start not in _STARTED:
        _STARTED[start] = _STACK.enter_context(start())
    return _STARTED[start]
