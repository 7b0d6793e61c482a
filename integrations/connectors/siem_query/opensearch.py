"""OpenSearch's Security Analytics: its rules, whose detectors run them, and what they found.

A rule runs where an enabled detector has it. What a detector could not do is an alert in the state
ERROR. Source: https://docs.opensearch.org/latest/security-analytics/api-tools/.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from integrations.connectors.siem_query.search import SearchClient
from integrations.errors import NotFound, PermissionMissing, Rejected, Unavailable
from integrations.siem.records import AnalyticsRule, Survey, Unread
from integrations.values import Fields, techniques

INDEX: Final = "*,-.*"
SOURCE_FIELD: Final = "_index"
ANALYTICS: Final = "security_analytics_read_access"
_PLUGIN = "/_plugins/_security_analytics"
_PAGE, _MOST_PAGES = 500, 40


class OpenSearchClient(SearchClient):
    """An OpenSearch cluster with its Security Analytics plug-in."""

    def listed(self, path: str, **query: str) -> list[tuple[str, Fields]]:
        """Every rule or detector, with its id, page by page."""
        found: dict[str, Fields] = {}
        for number in range(_MOST_PAGES):
            body = {"from": number * _PAGE, "size": _PAGE, "query": {"match_all": {}}}
            told = self.session.ask(f"{_PLUGIN}/{path}", ANALYTICS, body, **query)
            hits = Fields(_object(told)).nested("hits")
            rows = hits.objects("hits")
            found |= {one.text("_id"): one.nested("_source") for one in rows}
            if len(rows) < _PAGE:
                break
        return list(found.items())

    def told_of(self, detector: str, what: str, **query: Any) -> list[Fields]:
        """Every finding or alert of a detector, page by page."""
        found: list[Fields] = []
        path = f"{_PLUGIN}/findings/_search" if what == "findings" else f"{_PLUGIN}/{what}"
        for number in range(_MOST_PAGES):
            told = self.session.get(
                path, ANALYTICS, detector_id=detector, size=_PAGE, startIndex=number * _PAGE,
                sortOrder="desc", **query,
            )  # fmt: skip
            rows = Fields(_object(told)).objects(what)
            found += rows
            if len(rows) < _PAGE:
                break
        return found


def survey(client: OpenSearchClient, names: Sequence[str], days: int) -> Survey:
    """Read log sources, rules, detectors and what these found or could not do."""
    at, unread = dt.datetime.now(dt.UTC), list[Unread]()
    since = at - dt.timedelta(days=days)
    sources = tuple(client.sources(since, at))
    try:
        rules = _rules(client, [one.name for one in sources], since, at)
    except (PermissionMissing, NotFound, Rejected):
        rules = ()
        unread.append(Unread(
            "The rules and detectors can’t be read, so nothing is said of them.",
            f"Map the user to the role {ANALYTICS}, and check that Security Analytics is there.",
        ))  # fmt: skip
    return Survey(at, days, sources, rules, tuple(unread))


def _rules(
    client: OpenSearchClient, names: Sequence[str], since: dt.datetime, until: dt.datetime
) -> tuple[AnalyticsRule, ...]:
    detectors = client.listed("detectors/_search")
    running: dict[str, list[Fields]] = defaultdict(list)
    fired: Counter[str] = Counter()
    failures: dict[str, Fields] = {}
    for own, detector in detectors:
        ids = [one.text("id") for one in _inputs(detector, "custom_rules", "pre_packaged_rules")]
        for rule in ids:
            running[rule].append(detector)
        fired += _fired(client, own, since, until)
        errors = client.told_of(own, "alerts", alertState="ERROR")
        failures |= dict.fromkeys(ids, errors[0]) if errors else {}
    own_rules = client.listed("rules/_search", pre_packaged="false")
    given = [one for one in client.listed("rules/_search", pre_packaged="true")
             if one[0] in running]  # fmt: skip
    return tuple(
        _rule(own, fields, running[own], names, fired, failures.get(own))
        for own, fields in (*own_rules, *given)
    )


def _fired(
    client: OpenSearchClient, detector: str, since: dt.datetime, until: dt.datetime
) -> Counter[str]:
    found = client.told_of(detector, "findings", startTime=_millis(since), endTime=_millis(until))
    return Counter(query.text("id") for one in found for query in one.objects("queries"))


def _rule(
    own: str, fields: Fields, detectors: Sequence[Fields], names: Sequence[str],
    fired: Mapping[str, int], error: Fields | None,
) -> AnalyticsRule:  # fmt: skip
    enabled = [one for one in detectors if one.raw("enabled") is True]
    patterns = [
        pattern
        for one in detectors
        for told in one.objects("inputs")
        for pattern in told.nested("detector_input").texts("indices")
    ]
    found = [name for name in names if any(fnmatchcase(name, one) for one in patterns)]
    tags = [one.text("value").removeprefix("attack.") for one in fields.objects("tags")]
    return AnalyticsRule(
        id=own,
        title=fields.text("title"),
        is_enabled=bool(enabled),
        query=fields.text("rule"),
        sources=tuple(sorted(found)) or ((" or ".join(sorted(set(patterns))),) if patterns else ()),
        techniques=techniques(tag.upper() for tag in tags),
        changed_at=fields.time("last_update_time"),
        alerts=fired.get(own, 0),
        failure=(error.text("error_message") or "without a reason") if error else "",
        failed_at=error.time("start_time") if error else None,
    )


def _inputs(detector: Fields, *names: str) -> list[Fields]:
    return [
        one
        for told in detector.objects("inputs")
        for name in names
        for one in told.nested("detector_input").objects(name)
    ]


def _object(told: Any) -> Mapping[str, Any]:
    if not isinstance(told, Mapping):
        raise Unavailable("The answer is no object; it is tried again.")
    return told


def _millis(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)
