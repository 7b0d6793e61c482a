"""The door for notices: a vendor says here that a feed has something new.

It knows no technician and no API key. A request that carries no secret of ours changes nothing and
learns nothing, not even whether there is such a feed.
"""

import json
import logging
import uuid

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from integrations import notices
from integrations.errors import NoticeRefused

_LARGEST_BYTES = 1024 * 1024
_log = logging.getLogger(__name__)


@method_decorator(csrf_exempt, name="dispatch")
class NoticesView(View):
    """Answers the vendor's trial of the address, and takes its notices."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, tenant: uuid.UUID, feed: uuid.UUID) -> HttpResponse:
        """Give back the vendor's token, or let the feed be read soon."""
        door = notices.Door(tenant, feed)
        try:
            answer = notices.handshake(door, request.GET.dict())
            if answer is not None:
                return _plain(200, answer)
            notices.take(door, _body(request))
        except NoticeRefused as error:
            _log.info("a notice was turned away: %s", error)
            return _plain(401, "")
        return _plain(202, "")


def _body(request: HttpRequest) -> object:
    content = request.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise NoticeRefused("The request is larger than 1 MB.")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise NoticeRefused("The request is no JSON.") from None


def _plain(status: int, text: str) -> HttpResponse:
    answer = HttpResponse(text, content_type="text/plain; charset=utf-8", status=status)
    # What a stranger sends comes back as it is: no browser may take it for a page.
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "no-store"
    return answer
