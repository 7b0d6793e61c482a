"""Leases: who holds a row of due work, and for how long. A dead worker's lease runs out.

Whoever has lost a lease must stop at once: another goes on with the work.
"""

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connection

from tenants.errors import HoldfastError


class LeaseLost(HoldfastError):
    """Another worker took this work over; whoever holds the old lease must stop at once."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A row of work held by this worker until its lease runs out."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    kind: str
    subject: uuid.UUID
    generation: int
    attempts: int
    failures: int
    worker: str

    @property
    def interruptions(self) -> int:
        """How many attempts before this one ended by no error of the work's own."""
        return self.attempts - 1 - self.failures


def worker_name() -> str:
    """Return the name of this worker thread: host, process, thread."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"


def lease_seconds() -> float:
    """Return how long a worker that says nothing keeps what it holds."""
    return float(settings.WORK_LEASE_SECONDS)


def lost(held: Claim) -> LeaseLost:
    """Return what to raise where another worker has taken over what was held."""
    return LeaseLost(f"The lease on {held.kind} {held.subject} has run out.")


def extend(held: Claim) -> bool:
    """Hold it for as long again from now; return whether it was held still."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tenants_work SET leased_until = clock_timestamp() + make_interval(secs => %s)"
            " WHERE id = %s AND leased_by = %s AND leased_until > clock_timestamp()",
            [lease_seconds(), held.id, held.worker],
        )
        return cursor.rowcount == 1


@contextmanager
def kept(held: Claim) -> Iterator[None]:
    """Keep the lease while the block runs, however long a vendor takes to answer.

    It lives and dies with the process: a killed worker's lease runs out.
    """
    done = threading.Event()

    def extend_again_and_again() -> None:
        # Most work ends before its lease is extended once, and then needs no connection.
        if done.wait(lease_seconds() / 3):
            return
        try:
            while True:
                try:
                    if not extend(held):
                        return
                except DatabaseError:
                    # The server may be starting again; the next try may come in time.
                    connection.close()
                if done.wait(lease_seconds() / 3):
                    return
        finally:
            connection.close()

    keeper = threading.Thread(
        target=extend_again_and_again, name=f"lease of {held.kind}", daemon=True
    )
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()
