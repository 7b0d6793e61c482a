"""Which form an answer has."""

from collections.abc import Iterable

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer


class Negotiation(DefaultContentNegotiation):
    """By ``?format=`` or the Accept header; a form that there isn't is 406, and named."""

    def filter_renderers(
        self, renderers: Iterable[BaseRenderer], format: str
    ) -> list[BaseRenderer]:
        """Return the renderers of that format; NotAcceptable lists the formats there are."""
        renderers = list(renderers)
        found = [renderer for renderer in renderers if renderer.format == format]
        if not found:
            formats = ", ".join(str(renderer.format) for renderer in renderers)
            raise NotAcceptable(f"There is no format {format[:40]!r} here. Formats: {formats}.")
        return found
