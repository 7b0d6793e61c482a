"""CSV, safe to open in a spreadsheet."""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class CsvRenderer(BaseRenderer):
    """Renders `{"tenants": [row, …]}` as CSV; errors stay JSON."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the CSV's bytes."""
        response = (renderer_context or {}).get("response")
        if response is not None and response.status_code >= 400:
            return json.dumps(data).encode()
        return to_csv(data["tenants"]).encode()


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV with a header; nested values are left out."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    columns = ["tenant", "name", "period", "seats", "peak", "seat_days", "days_counted"]
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return out.getvalue()


def _cell(value: Any) -> Any:
    """Keep a spreadsheet from running a client's name as a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
