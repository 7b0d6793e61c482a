"""Give pytest the embedded PostgreSQL before Django's settings are read (`-p` in pyproject)."""

from __future__ import annotations

import os

import pytest

from msp.appliance.errors import ApplianceError
from msp.appliance.postgres import use_embedded_database

# Tests hold whatever a demo left in the same state directory.
os.environ.setdefault("HOLDFAST_REQUIRE_MFA", "1")
os.environ.setdefault("HOLDFAST_ALLOW_PRIVATE_ENDPOINTS", "0")

try:
    use_embedded_database()
except ApplianceError as error:
    raise pytest.UsageError(str(error)) from error
