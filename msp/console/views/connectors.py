"""What can be connected, what each connector brings and does, and how good it is."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from integrations import quality
from msp.console.sites import page


@require_safe
def connectors(request: HttpRequest) -> HttpResponse:
    """Show the matrix of connectors, feeds and actions."""
    rows = [
        {
            **row,
            "checks": [
                (one.title, row["checklist"][one.name], one.name) for one in quality.CHECKLIST
            ],
            "changing": [action for action in row["actions"] if not action["read_only"]],
            "asking": [action for action in row["actions"] if action["read_only"]],
        }
        for row in quality.matrix()
    ]
    return page(request, "connectors.html", "Connectors", rows=rows)
