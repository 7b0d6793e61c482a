"""Alerts of the Alert Center.

https://developers.google.com/workspace/admin/alertcenter/reference/rest/v1beta1/alerts
"""

from __future__ import annotations

import re

from integrations.simulators.base.control import moment
from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route

from .errors import missing, refusal
from .requests import must_be_admin, page
from .scopes import ALERTS

_FILTER = re.compile(r'(createTime|startTime|endTime) >= "([^"]+)"')
_ORDERS = {"": False, "create_time asc": False, "create_time desc": True}


def _list(request: Request) -> Answer:
    must_be_admin(request)
    found = request.tenant.all("alerts")
    asked, order = request.options.get("filter", ""), request.options.get("orderBy", "")
    if asked:
        wanted = _FILTER.fullmatch(asked)
        if wanted is None:
            raise refusal(400, "Invalid filter")
        found = [a for a in found if moment(a[wanted[1]]) >= moment(wanted[2])]
    if order not in _ORDERS:
        raise refusal(400, "Invalid order_by")
    found.sort(key=lambda a: str(a["createTime"]), reverse=_ORDERS[order])
    return page(request, "alerts", found, "pageSize")


def _get(request: Request) -> Answer:
    must_be_admin(request)
    found = request.tenant.get("alerts", request.params["alert"])
    if found is None:
        raise missing("alert")
    return Answer(200, found)


ROUTES: list[Route] = [
    route("GET", "/v1beta1/alerts", _list, ALERTS),
    route("GET", "/v1beta1/alerts/{alert}", _get, ALERTS),
]
