"""Waiting until another thread of a test waits for a lock in the database."""

import threading
import time

from django.db import connection

_LONGEST = 20.0
_PAUSE = 0.01
_WAITING = (
    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND datname = current_database() AND pid <> pg_backend_pid()"
)


def wait_for_lock(thread: threading.Thread) -> None:
    """Return when somebody else waits for a lock, or the thread has ended."""
    end = time.monotonic() + _LONGEST
    with connection.cursor() as cursor:
        while thread.is_alive():
            # Within a transaction it stays what it was when it was first asked for.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(_WAITING)
            if cursor.fetchone():
                return
            assert time.monotonic() < end, "nobody waits for a lock"
            thread.join(_PAUSE)
