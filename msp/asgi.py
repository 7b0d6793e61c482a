"""The web application, for an ASGI server."""

import os
import threading

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings")

application = get_asgi_application()

# Needs the settings.
from integrations.alerting import rulebook  # noqa: E402
from playbooks import library  # noqa: E402


def read_ahead() -> None:
    """Read what comes with Holdfast and does not change while it runs: rules and playbooks."""
    library.playbooks()
    rulebook.read_own()


# Nobody's first page, and no sender's first delivery, waits until they are read.
threading.Thread(target=read_ahead, daemon=True).start()
