"""Waiting until another thread of a test waits for a lock in the database."""

import threading
import time

from django.db import connection

_LONGEST = 20.0
_WAITING = (
    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND datname = current_database() AND pid <> pg_backend_pid()"
)


def wait_for_lock(thread: threading.Thread) -> None:
    """Return when somebody else waits for a lock, or the thread has ended."""
    end = time.monotonic() + _LONGEST
    with connection.cursor() as cursor:
        while time.monotonic() < end and thread.is_alive():
            cursor.execute(_WAITING)
            if cursor.fetchone():
                return
