"""A SIEM of no particular vendor: one address, a key in a header, rows as lists below columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from integrations.simulators.base.http import Answer, Caller, Exchange, Refusal
from integrations.simulators.base.rest import RestSimulator
from integrations.simulators.base.routes import Request, instant, route
from integrations.simulators.base.simulator import Seed
from integrations.simulators.base.store import App, Record, Store, stable_id

KEY_HEADER = "x-siem-key"


def demo(store: Store, now: datetime, seed: int) -> None:
    """Two log sources, one of which is silent, and three rules."""
    tenant = store.add_tenant(stable_id("siem", seed), "Example Ltd", "example.example")
    key = "sim-" + stable_id("siem", "key", seed)
    tenant.apps["reader"] = App("reader", "Holdfast", key, ["search"])
    for name, hours, rows in (("firewall", 1, 900), ("windows", 50, 12)):
        last = instant(now - timedelta(hours=hours))
        tenant.put("sources", {"id": name, "sourcetype": name, "last": last, "total": rows})
    for name, is_on, source, alerts in (
        ("Port scan", True, "firewall", 4), ("New service", True, "old_windows", 0),
        ("Test", False, "firewall", 0),
    ):  # fmt: skip
        tenant.put("rules", {
            "id": name, "name": name, "is_on": is_on, "source": source, "count": alerts,
        })  # fmt: skip
    for number in range(5):
        tenant.put("events", {"id": f"e-{number}", "text": "LSASS" if number % 2 else "sshd"})


def _search(request: Request) -> Answer:
    """By name of a list, or events whose text the query has a part of."""
    told = request.body if isinstance(request.body, dict) else dict(request.options)
    query = told.get("search")
    if query in ("sources", "rules"):
        found = request.tenant.all(str(query))
    else:
        found = [one for one in request.tenant.all("events") if one["text"] in str(query)]
    names = sorted({name for one in found for name in one})
    rows = [[one.get(name) for name in names] for one in found]
    return Answer(200, {"data": {"fields": [{"name": one} for one in names], "rows": rows}})


class QuerySiem(RestSimulator):
    """A simulated SIEM."""

    host = "siem.example"
    seeds: ClassVar[Mapping[str, Seed]] = {"demo": demo}
    routes = (
        route("POST", "/api/search", _search, "search"),
        route("GET", "/api/search", _search, "search"),
    )

    def caller(self, exchange: Exchange) -> Caller | None:
        """Who asks, by the key in its header."""
        found = self.tokens.app("reader", exchange.headers.get(KEY_HEADER, ""))
        return Caller(*found, frozenset(found[1].permissions)) if found else None

    def granted(self, token: str) -> Answer:
        """There are no tokens."""
        raise self.refusal(404, "There are no tokens.")

    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """The SIEM's shape of an error."""
        told: Record = {"error": message}
        return Refusal(status, told, {"Retry-After": str(retry_after)} if status == 429 else None)
