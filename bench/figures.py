"""Figures of what was measured."""

from collections.abc import Sequence


def at(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the sorted `values` lies; 0 for none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0
