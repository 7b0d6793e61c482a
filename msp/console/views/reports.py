"""Reports as they were sent."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from msp.reports.models import Report


@require_safe
def report(request: HttpRequest, report_id: uuid.UUID) -> HttpResponse:
    """Return the PDF, byte for byte as it was made."""
    row = get_object_or_404(Report.in_scope().select_related("tenant"), id=report_id)
    name = f"{row.tenant.slug}-{row.kind}-{row.period}.pdf"
    return HttpResponse(
        bytes(row.pdf),
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{name}"'},
    )
