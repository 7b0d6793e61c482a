"""The MSP's side."""

import logging
import uuid
from importlib import import_module

from django.apps import AppConfig

logger = logging.getLogger(__name__)


def send_hint(work_id: uuid.UUID, kind: str) -> None:
    """Send the message for a row of work. The row is kept: a lost message only costs seconds."""
    try:
        import_module("msp.pipeline").send(work_id, kind)
    except Exception as error:
        logger.warning("The hint for %s was not sent (%s); the scheduler will.", kind, error)


class MspConfig(AppConfig):
    name = "msp"
    verbose_name = "MSP"

    def ready(self) -> None:
        """Tell the work table how messages are sent, and who is told of work that fails."""
        # Models can be imported only now.
        work = import_module("tenants.work")
        work.on_send(send_hint)
        work.on_stuck(import_module("playbooks.running.stuck").tell)
