"""How many examples hypothesis makes up: some in `make test`, all of them in `make fuzz`."""

import os

_IS_FUZZ = os.environ.get("HOLDFAST_FUZZ") == "1"
_SOME = 4


def examples(full: int) -> int:
    """Return how many examples a test tries now, of those that it tries in `make fuzz`."""
    return full if _IS_FUZZ else max(25, full // _SOME)
