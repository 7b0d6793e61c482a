"""The API's views. They read inside a scope, and change nothing."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.exceptions import NotFound
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from msp.api import schema as schema  # registers the security schemes of the OpenAPI document
from msp.api.negotiation import Negotiation
from msp.api.renderers import UsageCsvRenderer
from msp.api.serializers import (
    MeasuresSerializer,
    PeriodQuery,
    ProblemSerializer,
    UsageSerializer,
)
from msp.licensing import exports, selectors
from msp.reports import measures
from msp.staff.models import ApiKey
from tenants import scope
from tenants.models import Tenant
from tenants.selectors import tenant_by_slug

_PROBLEM = "application/problem+json"
_PROBLEMS = {
    400: "The period is missing or not a month.",
    401: "No API key, or one that is unknown, revoked or expired.",
    403: "The API key lacks the scope.",
    404: "There is no such client.",
    405: "This address only answers GET.",
    406: "There is no such format.",
}
_CSV_EXAMPLE = (
    ",".join(exports.COLUMNS) + "\r\n2026-11,contoso-clinic,Contoso Clinic,42,1218,42,40.6,30\r\n"
)


class KeyedView(APIView):
    """A view for machines: it looks at the key before anything else, also at a bad request."""

    content_negotiation_class = Negotiation

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Ask for the key first, so that nobody without one learns what there is."""
        self.perform_authentication(request)
        self.check_permissions(request)
        super().initial(request, *args, **kwargs)


class UsageView(KeyedView):
    """The seats of every client in a period, as they are billed."""

    required_scope = ApiKey.Scope.LICENSING_READ
    renderer_classes = [JSONRenderer, UsageCsvRenderer]

    @extend_schema(
        operation_id="licensing_usage",
        summary="Seats of a month, by client",
        description=(
            "One seat is one protected person, however many accounts the person has. `seats` is "
            "the billable number: distinct persons protected on at least one day of the period. "
            "Days that were not counted are not in `daily`."
        ),
        tags=["licensing"],
        parameters=[PeriodQuery],
        responses={
            (200, "application/json"): UsageSerializer,
            (200, "text/csv"): OpenApiResponse(
                OpenApiTypes.STR,
                "One line for each client.",
                [OpenApiExample("usage", value=_CSV_EXAMPLE, media_type="text/csv")],
            ),
            **{
                (status, _PROBLEM): OpenApiResponse(ProblemSerializer, told)
                for status, told in _PROBLEMS.items()
            },
        },
    )
    def get(self, request: Request) -> Response:
        """Answer with the usage; the MSP's own bill, so it reads every client."""
        query = PeriodQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        period = query.validated_data["period"]
        slug = query.validated_data.get("tenant")
        ids = [tenant_by_slug(slug).id] if slug else None
        with scope.reading(scope.ALL):
            told = exports.as_json(period, selectors.usage(period, ids))
        response = Response(told, headers={"Cache-Control": "no-store"})
        if isinstance(request.accepted_renderer, UsageCsvRenderer):
            response["Content-Disposition"] = f'attachment; filename="usage-{period}.csv"'
        return response


class MeasuresView(KeyedView):
    """How the cases of a period went, measured as the console and the reports do."""

    required_scope = ApiKey.Scope.MEASURES_READ
    renderer_classes = [JSONRenderer]

    @extend_schema(
        operation_id="measures",
        summary="Measures of a month's cases, by client",
        description=(
            "Cases count in the month in which they were opened, in the client's time zone. "
            "Times are in seconds and run from the first alert. Without waiting leaves out the "
            "time in which an approval was asked for and not answered, or a technician was needed "
            "and had done nothing yet. What was not measured is null."
        ),
        tags=["measures"],
        parameters=[PeriodQuery],
        responses={
            (200, "application/json"): MeasuresSerializer,
            **{
                (status, _PROBLEM): OpenApiResponse(ProblemSerializer, told)
                for status, told in _PROBLEMS.items()
            },
        },
    )
    def get(self, request: Request) -> Response:
        """Answer with the measures of every client, or of the one that is asked for."""
        query = PeriodQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        slug = query.validated_data.get("tenant")
        with scope.reading(scope.ALL):
            tenants = [tenant_by_slug(slug)] if slug else list(Tenant.objects.all())
            told = measures.as_json(measures.of_period(query.validated_data["period"], tenants))
        return Response(told, headers={"Cache-Control": "no-store"})


class SchemaView(SpectacularAPIView):
    """The OpenAPI document; public."""

    authentication_classes = []
    permission_classes = []
    content_negotiation_class = Negotiation


@extend_schema(exclude=True)
class UnknownView(APIView):
    """Every address that the API doesn't have."""

    authentication_classes = []
    permission_classes = []

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Answer 404 to every method, before anything else is asked."""
        raise NotFound("There is nothing here. /api/v1/schema/ describes what there is.")
