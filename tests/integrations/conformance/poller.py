"""Reads one feed of one connection, as a process of its own that can be killed."""

import sys
import uuid

import django

django.setup()

from integrations import polling  # noqa: E402
from tenants import work  # noqa: E402

if __name__ == "__main__":
    work.on_send(lambda work_id, kind: None)
    polling.poll(uuid.UUID(sys.argv[1]), uuid.UUID(sys.argv[2]))
