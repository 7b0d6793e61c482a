"""``manage.py scheduler``: runs until it is told to stop."""

import signal
import threading
from typing import Any

from msp import scheduler
from msp.product_command import ProductCommand


class Command(ProductCommand):
    help = "Re-send lost work, seal the ledgers and count seats, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        scheduler.run(stop)
