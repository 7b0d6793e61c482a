"""CSV of the API."""

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer

from msp.licensing.exports import as_csv


class UsageCsvRenderer(BaseRenderer):
    """Usage as CSV, one line for each tenant."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the CSV of what `licensing.exports.as_json` told."""
        return as_csv(data).encode()
