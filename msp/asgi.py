"""The web application, for an ASGI server."""

import os
import threading

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings")

application = get_asgi_application()

# Needs the settings.
from integrations.alerting import rulebook  # noqa: E402

# Nobody's first page, and no sender's first delivery, waits until the rules are read.
threading.Thread(target=rulebook.read_own, daemon=True).start()
