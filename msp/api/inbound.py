"""The door: sources send their records here, signed. It knows no technician and no API key.

Whoever has not the source's key learns nothing, not even whether there is such a source.
"""

import logging
import uuid

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations import inbound, signing
from integrations.errors import DeliveryRefused
from msp.api.negotiation import Negotiation
from msp.api.serializers import DeliverySerializer, ProblemSerializer

LARGEST_BYTES = 8 * 1024 * 1024
_PROBLEM = "application/problem+json"
_log = logging.getLogger(__name__)
_HEADERS = {
    signing.ID: "The delivery's own id: letters, digits, `_`, `:` and `-`. The same again when "
    "it is sent again, so that it is taken once.",
    signing.TIMESTAMP: "When it was signed, in seconds since 1970; at most five minutes off.",
    signing.SIGNATURE: "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, with the "
    "source's key (Standard Webhooks).",
}
# Where they stand in a request.
_PLACES = {name: "HTTP_" + name.upper().replace("-", "_") for name in _HEADERS}
_REFUSALS = {
    401: "Not signed by this source, signed too long ago, or no such source.",
    413: "Larger than 8 MB: send fewer records at once.",
    415: "A compressed body: send it as it is.",
    503: "The source is paused: send it again later.",
}


class _Unsigned(APIException):
    status_code = status.HTTP_401_UNAUTHORIZED


class _TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "A delivery may have 8 MB at most: send fewer records at once."


class _Compressed(APIException):
    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE
    default_detail = "A compressed body can't be read: send it without Content-Encoding."


class _Paused(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    # Seconds, as Retry-After.
    wait = 300


class InboundView(APIView):
    """Takes a delivery of a source; the signature says who sends."""

    authentication_classes = []
    permission_classes = []
    content_negotiation_class = Negotiation

    @extend_schema(
        operation_id="inbound_deliver",
        summary="Send records to Holdfast",
        description=(
            "The body is what the source's feed takes: JSON or NDJSON, or lines of CEF or syslog. "
            "What can't be read is quarantined and counted, never dropped. An empty body tests "
            "the address and the key."
        ),
        tags=["inbound"],
        parameters=[
            OpenApiParameter(name, str, OpenApiParameter.HEADER, required=True, description=told)
            for name, told in _HEADERS.items()
        ],
        request={
            "application/json": OpenApiTypes.ANY,
            "application/x-ndjson": OpenApiTypes.STR,
            "text/plain": OpenApiTypes.STR,
        },
        responses={
            (200, "application/json"): DeliverySerializer,
            **{
                (code, _PROBLEM): OpenApiResponse(ProblemSerializer, told)
                for code, told in _REFUSALS.items()
            },
        },
    )
    def post(self, request: Request, tenant: uuid.UUID, source: uuid.UUID) -> Response:
        """Take the delivery, and tell what became of its records."""
        if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            raise _Compressed
        headers = {name: request.META.get(place, "") for name, place in _PLACES.items()}
        body = request.read(LARGEST_BYTES + 1)
        if len(body) > LARGEST_BYTES:
            raise _TooLarge
        try:
            taken = inbound.take(inbound.Address(tenant, source), headers, body)
        except DeliveryRefused as error:
            _log.info("a delivery was turned away: %s", error.code)
            if error.code == "paused":
                raise _Paused(str(error)) from None
            raise _Unsigned(str(error)) from None
        told = {
            "delivery": taken.delivery_id,
            "repeated": taken.is_repeated,
            **taken.outcome.as_json(),
        }
        return Response(told, headers={"Cache-Control": "no-store"})
