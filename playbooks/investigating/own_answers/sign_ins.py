"""What is usual for the person's sign-ins, out of the sign-ins that Holdfast has taken in."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from integrations import ocsf
from integrations.contract import Json
from integrations.values import Fields
from playbooks.investigating.own_answers.asked import NotTold, days, person_of
from tenants.models import Case, Event

# The last two days, or what came since the case began, are compared with what came before.
_LATELY = dt.timedelta(days=2)
_MOST = 5000
# Fewer sign-ins say nothing of what is usual.
_ENOUGH = 10


def compare(case: Case, inputs: Json) -> Json:
    """Return the usual places, devices and clients of `days` (60), and those new since then.

    They are new from `since` on, else in the last two days. NotTold where no sign-in of the person
    was ever taken in, or too few to say what is usual.
    """
    until = case.last_activity_at
    lately_from = min(until - _LATELY, Fields(inputs).time("since") or until)
    since = until - dt.timedelta(days=days(inputs, 60, most=365))
    names = [name for one in person_of(case) for name in (one.username, one.external_id)]
    entities = [f"{kind}:{name.lower()}" for name in names for kind in ("account", "account_id")]
    rows = Event.in_scope().filter(
        class_uid=ocsf.AUTHENTICATION, is_success=True, entities__overlap=entities,
        time__gte=since, time__lte=until,
    )  # fmt: skip
    seen = list(rows.order_by("-time").values_list("time", "country", "ocsf")[:_MOST])
    before = [row for row in seen if row[0] < lately_from]
    lately = [row for row in seen if row[0] >= lately_from]
    if len(before) < _ENOUGH:
        raise NotTold(
            "too few sign-ins from before it began were taken in to say what is usual: "
            f"{len(before)}"
        )
    told: dict[str, Any] = {"count": len(seen), "before": len(before)}
    for name, pick in (("countries", _country), ("devices", _device), ("clients", _client)):
        usual, now = _values(map(pick, before)), _values(map(pick, lately))
        told |= {f"usual_{name}": sorted(usual), f"new_{name}": sorted(now - usual)}
    return told


def _values(found: Iterable[str]) -> set[str]:
    return {value for value in found if value}


def _country(row: tuple[dt.datetime, str, Json]) -> str:
    return row[1]


def _device(row: tuple[dt.datetime, str, Json]) -> str:
    endpoint = row[2].get("src_endpoint") or {}
    system = endpoint.get("os") or {}
    return str(endpoint.get("hostname") or endpoint.get("uid") or system.get("name") or "")


def _client(row: tuple[dt.datetime, str, Json]) -> str:
    more = row[2].get("unmapped") or {}
    program = str(more.get("client_app") or "")
    return " ".join(part for part in (program, str(more.get("browser") or "")) if part)
