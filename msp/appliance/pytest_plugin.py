"""Give pytest the embedded PostgreSQL before Django's settings are read (`-p` in pyproject)."""

from __future__ import annotations

import pytest

from msp.appliance.errors import ApplianceError
from msp.appliance.postgres import use_embedded_database

try:
    use_embedded_database()
except ApplianceError as error:
    raise pytest.UsageError(str(error)) from error
