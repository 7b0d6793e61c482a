"""The product's worker, which says when it is up, and dies at the points of the storm.

Started as ``python -m dramatiq bench.worker``, leading a process group of its own.
"""

from msp.worker import broker

# isort: split
# What follows imports models, for which that one has set up Django.
import os

from dramatiq import Broker, Middleware

from bench import kill_points
from bench.installation import KILL_POINTS, READY


class _SaysWhenUp(Middleware):
    """Names the process group in READY as soon as it takes messages."""

    def after_process_boot(self, broker: Broker) -> None:
        READY.mkdir(exist_ok=True)
        (READY / str(os.getpgrp())).touch()


kill_points.watch(KILL_POINTS)
broker.add_middleware(_SaysWhenUp())

__all__ = ["broker"]
