"""OpenSearch's Security Analytics: its rules, whose detectors run them, and what they found.

A rule runs where an enabled detector has it. What a detector could not do is an alert in the state
ERROR. Source: https://docs.opensearch.org/latest/security-analytics/api-tools/.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from integrations.connectors.siem_query.patterns import Places, touch
from integrations.connectors.siem_query.search import SearchClient
from integrations.errors import NotFound, PermissionMissing, Rejected, Unavailable
from integrations.siem.records import AnalyticsRule, Survey, Unread
from integrations.values import Fields, techniques
from tenants import work

INDEX: Final = "*,-.*"
SOURCE_FIELD: Final = "_index"
ANALYTICS: Final = "security_analytics_read_access"
_PLUGIN = "/_plugins/_security_analytics"
_PAGE, _MOST_PAGES = 500, 40
# Of all detectors together, in one audit.
_MOST_FINDING_PAGES = 200


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

    def error_of(self, detector: str) -> Fields | None:
        """The newest of what a detector could not do, if there is something."""
        told = self.session.get(
            f"{_PLUGIN}/alerts", ANALYTICS, detector_id=detector, alertState="ERROR", size=1,
            startIndex=0, sortOrder="desc",
        )  # fmt: skip
        return next(iter(Fields(_object(told)).objects("alerts")), None)

    def findings(self, detector: str, start: int, since: dt.datetime, until: dt.datetime) -> list[
        Fields
    ]:  # fmt: skip
        """A page of what a detector found, from number `start` on."""
        told = self.session.get(
            f"{_PLUGIN}/findings/_search", ANALYTICS, detector_id=detector, size=_PAGE,
            startIndex=start, sortOrder="desc", startTime=_millis(since), endTime=_millis(until),
        )  # fmt: skip
        return Fields(_object(told)).objects("findings")


@dataclass(slots=True)
class _Fired:
    """How often each rule fired in the time, read until each is known to have, or pages run out."""

    client: OpenSearchClient
    since: dt.datetime
    until: dt.datetime
    left: int
    times: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)

    def read(self, detector: str, rules: Collection[str]) -> None:
        start = 0
        while self.left > 0:
            self.left -= 1
            rows = self.client.findings(detector, start, self.since, self.until)
            self.times.update(query.text("id") for one in rows for query in one.objects("queries"))
            start += len(rows)
            if len(rows) < _PAGE or all(map(self.times.__contains__, rules)):
                return
        self.unknown.update(rule for rule in rules if rule not in self.times)

    def of(self, rule: str) -> int | None:
        return None if rule in self.unknown else self.times[rule]


def survey(client: OpenSearchClient, names: Sequence[str], days: int) -> Survey:
    """Read log sources, rules, detectors and what these found or could not do."""
    at, unread = dt.datetime.now(dt.UTC), list[Unread]()
    since = at - dt.timedelta(days=days)
    sources, places = client.sources(since, at)
    fired = _Fired(client, since, at, _MOST_FINDING_PAGES)
    try:
        rules = _rules(client, places, fired)
    except (PermissionMissing, NotFound, Rejected):
        rules = ()
        unread.append(Unread(
            "The rules and detectors can’t be read, so nothing is said of them.",
            f"Map the user to the role {ANALYTICS}, and check that Security Analytics is there.",
        ))  # fmt: skip
    if fired.unknown:
        unread.append(Unread(
            f"There are too many findings to read: of {len(fired.unknown)} rules it is not known "
            "whether they fire.",
            "Split the detector that finds most, or mend the rule in it that fires too often.",
        ))  # fmt: skip
    return Survey(at, days, tuple(sources), rules, tuple(unread))


def _rules(client: OpenSearchClient, places: Places, fired: _Fired) -> tuple[AnalyticsRule, ...]:
    """What the detectors on the client's indices run; and, where it has the whole SIEM, its own
    rules that none runs."""
    running: dict[str, list[Fields]] = defaultdict(list)
    failures: dict[str, Fields] = {}
    is_shared = client.index != INDEX
    for own, detector in client.listed("detectors/_search"):
        if is_shared and not touch(_indices(detector), client.index):
            continue
        work.renew()
        ids = [one.text("id") for one in _inputs(detector, "custom_rules", "pre_packaged_rules")]
        for rule in ids:
            running[rule].append(detector)
        fired.read(own, ids)
        error = client.error_of(own)
        failures |= dict.fromkeys(ids, error) if error else {}
    own_rules = [one for one in client.listed("rules/_search", pre_packaged="false")
                 if one[0] in running or not is_shared]  # fmt: skip
    given = [one for one in client.listed("rules/_search", pre_packaged="true")
             if one[0] in running]  # fmt: skip
    return tuple(
        _rule(own, fields, running[own], places, fired.of(own), failures.get(own))
        for own, fields in (*own_rules, *given)
    )


def _indices(detector: Fields) -> list[str]:
    return [
        pattern
        for told in detector.objects("inputs")
        for pattern in told.nested("detector_input").texts("indices")
    ]


def _rule(
    own: str, fields: Fields, detectors: Sequence[Fields], places: Places, alerts: int | None,
    error: Fields | None,
) -> AnalyticsRule:  # fmt: skip
    enabled = [one for one in detectors if one.raw("enabled") is True]
    patterns = [pattern for one in detectors for pattern in _indices(one)]
    tags = [one.text("value").removeprefix("attack.") for one in fields.objects("tags")]
    return AnalyticsRule(
        id=own,
        title=fields.text("title"),
        is_enabled=bool(enabled),
        query=fields.text("rule"),
        sources=places.read_by(patterns),
        techniques=techniques(tag.upper() for tag in tags),
        changed_at=fields.time("last_update_time"),
        alerts=alerts,
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
