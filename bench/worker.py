"""The product's worker, which dies at the points that the storm has made: `-m dramatiq`."""

from msp.worker import broker

# isort: split
# What follows imports models, for which that one has set up Django.
from bench import kill_points
from bench.installation import KILL_POINTS

kill_points.watch(KILL_POINTS)

__all__ = ["broker"]
