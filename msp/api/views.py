"""The API's views."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from msp.api.renderers import CsvRenderer
from msp.api.serializers import ProblemSerializer, UsageSerializer
from msp.licensing.errors import WrongPeriod
from msp.licensing.selectors import usage
from msp.staff.models import ApiKey
from tenants import scope
from tenants.errors import TenantNotFound
from tenants.models import Tenant

_PROBLEMS = {
    (status, "application/problem+json"): OpenApiResponse(ProblemSerializer, description=words)
    for status, words in (
        (400, "The period is no month."),
        (401, "No API key, or one that does not count."),
        (403, "The key lacks the scope."),
        (404, "There is no such tenant."),
    )
}


class LicensingUsageView(APIView):
    """Seats of a month, for billing."""

    required_scope = ApiKey.Scope.LICENSING_READ
    renderer_classes = [JSONRenderer, CsvRenderer]

    @extend_schema(
        operation_id="licensing_usage",
        parameters=[
            OpenApiParameter("period", str, required=True, description="a month, as 2026-11"),
            OpenApiParameter("tenant", str, description="only this client, by slug"),
            OpenApiParameter("format", str, enum=["json", "csv"], description="instead of Accept"),
        ],
        responses={
            (200, "application/json"): UsageSerializer,
            (200, "text/csv"): str,
            **_PROBLEMS,
        },
    )
    def get(self, request: Request) -> Response:
        """Return each client's seats in a month."""
        period = request.query_params.get("period")
        if period is None:
            raise WrongPeriod("Which month? Add ?period=2026-11.")
        with scope.reading(scope.ALL):
            rows = usage(period, _chosen(request.query_params.get("tenant")))
        told: dict[str, Any] = {
            "period": period,
            "total_seats": sum(row.seats for row in rows),
            "tenants": [row.as_json() for row in rows],
        }
        return Response(told)


def _chosen(slug: str | None) -> list[Any] | None:
    if slug is None:
        return None
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise TenantNotFound(f"There is no tenant {slug!r}.")
    return [tenant.id]
