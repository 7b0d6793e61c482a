"""How many examples hypothesis makes up: some in `make test`, all of them in `make fuzz`."""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import seed

_IS_FUZZ = os.environ.get("HOLDFAST_FUZZ") == "1"
_SOME = 4


def examples(full: int) -> int:
    """Return how many examples a test tries now, of those that it tries in `make fuzz`."""
    return full if _IS_FUZZ else max(25, full // _SOME)


def repeatable(number: int) -> Callable[[Any], Any]:
    """Have a test try the same examples each time, but for others in `make fuzz`."""
    return (lambda test: test) if _IS_FUZZ else seed(number)
