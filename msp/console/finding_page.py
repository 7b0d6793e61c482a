"""The page of one finding: what was told, by whom, and what it names."""

import json
from typing import Any, Final

from django.http import HttpRequest
from django.template.response import TemplateResponse

from integrations.alerting.finding import PREFIX
from integrations.techniques import titled
from msp.console import words
from msp.console.sites import page
from tenants.models import Finding

_MOST_NAMED: Final = 100
_MOST_SHOWN: Final = 100_000


def shown(request: HttpRequest, row: Finding) -> TemplateResponse:
    """Return the page of a finding; of a detection with the fields that made its rule match."""
    told: dict[str, Any] = row.ocsf or {}
    why = (told.get("unmapped") or {}).get("why", ()) if row.uid.startswith(PREFIX) else ()
    return page(
        request, "finding.html", "Finding", row=row,
        severity=words.severity(row.severity_id),
        techniques=[titled(one) for one in row.techniques],
        named=row.entities[:_MOST_NAMED], left_out=max(0, len(row.entities) - _MOST_NAMED),
        why=why, document=json.dumps(told, indent=2, ensure_ascii=False)[:_MOST_SHOWN],
    )  # fmt: skip
