"""Elastic Security: rules, their last run and their alerts, beside Elasticsearch's search.

Rules are Kibana's, at another address; alerts are kept in an index of each space. Source:
https://www.elastic.co/docs/api/doc/kibana/operation/operation-findrules.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from integrations.connectors.siem_query.patterns import Places, touch
from integrations.connectors.siem_query.search import SearchClient
from integrations.errors import NotFound, PermissionMissing, Unavailable
from integrations.session import Session
from integrations.siem.records import AnalyticsRule, Survey, Unread
from integrations.values import Fields, techniques

RULES: Final = "Kibana: Security, read"
INDEX: Final = "logs-*,filebeat-*,winlogbeat-*,auditbeat-*"
SOURCE_FIELD: Final = "event.dataset"
_PAGE, _MOST_PAGES = 100, 100
_FAILED: Final = frozenset({"failed", "partial failure"})


class ElasticClient(SearchClient):
    """An Elasticsearch cluster and, where its address is known, its Kibana."""

    def __init__(
        self, session: Session, kibana: Session | None, space: str, index: str, source_field: str
    ) -> None:
        super().__init__(session, index, source_field)
        self.kibana = kibana
        self.space = space

    def close(self) -> None:
        """Give back the sockets."""
        super().close()
        if self.kibana is not None:
            self.kibana.close()

    def rules(self) -> list[Fields]:
        """Every detection rule of the space."""
        if self.kibana is None:
            return []
        space = f"/s/{self.space}" if self.space != "default" else ""
        found: list[Fields] = []
        for page in range(1, _MOST_PAGES + 1):
            told = self.kibana.get(
                f"{space}/api/detection_engine/rules/_find", RULES, page=page, per_page=_PAGE,
                sort_field="created_at", sort_order="asc",
            )  # fmt: skip
            if not isinstance(told, Mapping) or not isinstance(told.get("data"), list):
                raise Unavailable("GET …/rules/_find: the answer is no list; it is tried again.")
            rows = Fields(told).objects("data")
            found += rows
            if not rows or len(found) >= (Fields(told).number("total") or 0):
                break
        # A rule that is made meanwhile moves the pages on.
        return list({one.text("id"): one for one in found}.values())


def survey(client: ElasticClient, names: Sequence[str], days: int) -> Survey:
    """Read log sources, rules, their last runs and alerts; what isn't allowed is in `unread`."""
    at, unread = dt.datetime.now(dt.UTC), list[Unread]()
    since = at - dt.timedelta(days=days)
    sources, places = client.sources(since, at)
    told = [one for one in _rules(client, unread) if _is_of_client(one, client.index)]
    fired = _fired(client, since, at, unread) if told else None
    rules = tuple(_rule(fields, places, fired) for fields in told)
    return Survey(at, days, tuple(sources), rules, tuple(unread))


def _is_of_client(rule: Fields, index: str) -> bool:
    """Where a SIEM is shared, a client's own indices are named: rules of others are not its own."""
    return index == INDEX or touch(rule.texts("index"), index)


def _rules(client: ElasticClient, unread: list[Unread]) -> list[Fields]:
    words = "The detection rules can’t be read, so nothing is said of them."
    if client.kibana is None:
        unread.append(Unread(words, "Enter Kibana’s address on the connection’s page."))
        return []
    try:
        return client.rules()
    except (PermissionMissing, NotFound):
        unread.append(Unread(
            words,
            "Give the key’s role in Kibana the feature Security with Read, and check the space.",
        ))  # fmt: skip
        return []


def _fired(
    client: ElasticClient, since: dt.datetime, until: dt.datetime, unread: list[Unread]
) -> Mapping[str, int] | None:
    index = f".alerts-security.alerts-{client.space}"
    try:
        return client.counts(index, "kibana.alert.rule.uuid", since, until)
    except PermissionMissing:
        unread.append(Unread(
            "The alerts can’t be read, so it is not known which rules never fire.",
            f"Give the key’s role the privilege read on {index}.",
        ))  # fmt: skip
        return None


def _rule(fields: Fields, places: Places, fired: Mapping[str, int] | None) -> AnalyticsRule:
    own = fields.text("id")
    run = fields.nested("execution_summary").nested("last_execution")
    is_failed = run.text("status").lower() in _FAILED
    named = [
        technique.text("id")
        for threat in fields.objects("threat")
        for technique in threat.objects("technique")
    ]
    return AnalyticsRule(
        id=own,
        title=fields.text("name"),
        is_enabled=fields.raw("enabled") is True,
        query=fields.text("query"),
        sources=places.read_by(fields.texts("index")),
        techniques=techniques(named),
        changed_at=fields.time("updated_at"),
        alerts=None if fired is None else fired.get(own, 0),
        failure=(run.text("message") or "without a reason") if is_failed else "",
        failed_at=run.time("date") if is_failed else None,
    )
