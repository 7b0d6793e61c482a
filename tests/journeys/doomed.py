"""Carries one run on, as a process that dies at the next point of `bench.kill_points`."""

import sys
import time
import uuid
from pathlib import Path

import django

django.setup()

from bench import kill_points  # noqa: E402
from msp.pipeline import STAGES  # noqa: E402
from playbooks.models import Run  # noqa: E402
from tenants import scope, work  # noqa: E402
from tenants.models import Work  # noqa: E402

_LONGEST_SECONDS = 30


def _is_over(tenant: uuid.UUID, run: uuid.UUID) -> bool:
    with scope.tenant(tenant):
        return Run.objects.get(id=run).finished_at is not None


if __name__ == "__main__":
    folder, tenant_id, run_id = Path(sys.argv[1]), uuid.UUID(sys.argv[2]), uuid.UUID(sys.argv[3])
    work.on_send(lambda work_id, kind: None)
    kill_points.watch(folder)
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not _is_over(tenant_id, run_id) and time.monotonic() < deadline:
        for row in Work.objects.filter(kind="run"):
            try:
                # Not before the lease of who died has run out.
                work.perform(row.id, STAGES)
            except work.LeaseLost:
                # A slow machine may lose its own, and the transaction that was to be the last.
                kill_points.permit(folder)
        time.sleep(0.02)
