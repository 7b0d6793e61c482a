"""Splunk: searches, and the saved searches that alert, through its REST interface.

A search is sent as `oneshot`: the answer holds its rows and no job stays behind. Sources:
https://help.splunk.com/en/splunk-enterprise/leverage-rest-apis/rest-api-reference (search
endpoints), …/rest-api-user-manual (paging by count and offset).
"""

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from integrations.connectors.siem_query.patterns import touch
from integrations.errors import PermissionMissing, Unavailable
from integrations.session import Session
from integrations.siem.records import (
    MOST_IDS,
    AnalyticsRule,
    Hits,
    LogSource,
    Query,
    Survey,
    Unread,
)
from integrations.transport import Call
from integrations.values import Fields, techniques

SEARCH: Final = "search"
INDEX: Final = "*"
_JOBS: Final = "/services/search/v2/jobs"
_SAVED: Final = "/servicesNS/-/-/saved/searches"
_PAGE, _MOST_PAGES = 200, 50
_INDEX_NAMED: Final = re.compile(r'\bindex\s*=\s*"?([a-z0-9_*\-]+)')
_BROKEN: Final = frozenset({"FATAL", "ERROR"})
_RAN: Final = frozenset({"success", "completed", "delegated_remote", "delegated_remote_completion"})
# A saved search of these kinds tells somebody.
_TELLS: Final = frozenset({"number of events", "number of hosts", "number of sources", "custom"})


class SplunkClient:
    """One search head, ready to be asked. Methods raise `integrations.errors`."""

    def __init__(self, session: Session, index: str) -> None:
        self.session = session
        self.index = index

    def __repr__(self) -> str:
        return f"<SplunkClient {self.session.base_url}>"

    def close(self) -> None:
        """Give back the sockets."""
        self.session.close()

    def rows(self, search: str, since: dt.datetime, until: dt.datetime) -> list[Fields]:
        """Run a search of the time from `since` and before `until`; its rows.

        Rejected where Splunk can't run it, Unavailable where it gave a part only.
        """
        call = Call(
            "POST", self.session.url(_JOBS),
            form={
                "search": search, "exec_mode": "oneshot", "output_mode": "json", "count": "0",
                "earliest_time": f"{since.timestamp():.3f}",
                "latest_time": f"{until.timestamp():.3f}",
            },
            permission=SEARCH, is_read=True,
        )  # fmt: skip
        told = self.session.send(call).body
        if not isinstance(told, Mapping) or not isinstance(told.get("results"), list):
            raise Unavailable("POST …/jobs: the answer holds no results; it is tried again.")
        answer = Fields(told)
        broken = [one for one in answer.objects("messages") if one.text("type") in _BROKEN]
        if broken:
            raise Unavailable(
                "POST …/jobs: Splunk gave only a part of the answer "
                f"({broken[0].text('text')[:160]}); it is tried again."
            )
        return answer.objects("results")

    def saved(self) -> list[Fields]:
        """Every saved search that the token may see, page by page."""
        found: dict[str, Fields] = {}
        for number in range(_MOST_PAGES):
            told = self.session.get(
                _SAVED, SEARCH, output_mode="json", count=_PAGE, offset=number * _PAGE,
                sort_key="name",
            )  # fmt: skip
            if not isinstance(told, Mapping) or not isinstance(told.get("entry"), list):
                raise Unavailable("GET …/saved/searches: the answer is no list; it is tried again.")
            rows = Fields(told).objects("entry")
            found |= {one.text("id"): one for one in rows}
            if len(rows) < _PAGE:
                break
        return list(found.values())


def survey(client: SplunkClient, names: Sequence[str], days: int) -> Survey:
    """Read sourcetypes, the saved searches that alert, their runs and what they fired."""
    at, unread = dt.datetime.now(dt.UTC), list[Unread]()
    since = at - dt.timedelta(days=days)
    rows = client.rows(
        f"| tstats count AS rows latest(_time) AS last WHERE index={client.index} BY sourcetype",
        since, at,
    )  # fmt: skip
    sources = tuple(
        LogSource(one.text("sourcetype"), one.number("rows"), one.time("last")) for one in rows
    )
    told = _rules(client, unread)
    runs = _runs(client, since, at, unread) if told else {}
    fired = _fired(client, since, at) if told else {}
    known = [one.name for one in sources]
    # Where nothing at all is told as fired, the token may not see it: then nothing is known.
    rules = tuple(_rule(one, known, runs, fired if fired or runs else None) for one in told)
    return Survey(at, days, sources, rules, tuple(unread))


def _rules(client: SplunkClient, unread: list[Unread]) -> list[Fields]:
    try:
        return [
            one
            for one in client.saved()
            if _alerts(one.nested("content")) and _is_of_client(one.nested("content"), client.index)
        ]
    except PermissionMissing:
        unread.append(Unread(
            "The alerts can’t be read, so nothing is said of them.",
            "Give the token’s role the capability rest_properties_get and read access to the apps "
            "that hold the alerts.",
        ))  # fmt: skip
        return []


def _is_of_client(content: Fields, index: str) -> bool:
    """Where a SIEM is shared, a client's own index is named: alerts on others are not its own."""
    named = _INDEX_NAMED.findall(content.text("search").lower())
    return index == INDEX or not named or touch(named, index)


def _alerts(content: Fields) -> bool:
    """Whether a saved search is a rule: it tells somebody, or makes a notable event."""
    return (
        content.text("alert_type").lower() in _TELLS
        or content.truth("alert.track") is True
        or content.truth("action.correlationsearch.enabled") is True
    )


def _runs(
    client: SplunkClient, since: dt.datetime, until: dt.datetime, unread: list[Unread]
) -> dict[str, Fields]:
    """How the last run of each saved search went, by its name."""
    rows = client.rows(
        "search index=_internal sourcetype=scheduler savedsearch_name=*"
        " | stats latest(status) AS status latest(reason) AS reason latest(_time) AS last"
        " BY savedsearch_name",
        since, until,
    )  # fmt: skip
    if not rows:
        unread.append(Unread(
            "No run of an alert can be seen, so it is not known which fail or fire.",
            "Let the token’s role search the indexes _internal and _audit.",
        ))  # fmt: skip
    return {one.text("savedsearch_name"): one for one in rows}


def _fired(client: SplunkClient, since: dt.datetime, until: dt.datetime) -> dict[str, int]:
    """How often each alert fired, or made a notable event, by its name."""
    rows = client.rows(
        "search (index=_audit action=alert_fired) OR index=notable"
        " | eval rule=coalesce(ss_name, search_name) | stats count AS alerts BY rule",
        since, until,
    )  # fmt: skip
    return {one.text("rule"): one.number("alerts") or 0 for one in rows}


def _rule(
    fields: Fields, known: Sequence[str], runs: Mapping[str, Fields],
    fired: Mapping[str, int] | None,
) -> AnalyticsRule:  # fmt: skip
    name, content = fields.text("name"), fields.nested("content")
    run = runs.get(name, Fields({}))
    status = run.text("status").lower()
    is_failed = bool(status) and status not in _RAN
    search = content.text("search")
    why = run.text("reason") or "no reason was told"
    return AnalyticsRule(
        id=fields.text("id") or name,
        title=name,
        is_enabled=content.truth("disabled") is not True
        and content.truth("is_scheduled") is not False,
        query=search,
        sources=tuple(name for name in known if _names(search, name)),
        techniques=techniques(_mapped(content.text("action.correlationsearch.annotations"))),
        changed_at=fields.time("updated"),
        alerts=None if fired is None else fired.get(name, 0),
        failure=f"{status}: {why}" if is_failed else "",
        failed_at=run.time("last") if is_failed else None,
    )


def _names(search: str, sourcetype: str) -> bool:
    bare = search.replace('"', "").replace(" ", "").lower()
    return f"sourcetype={sourcetype.lower()}" in bare


def _mapped(annotations: str) -> list[str]:
    """The ATT&CK ids of a correlation search's annotations, which are JSON in a text."""
    try:
        told = json.loads(annotations or "{}")
    except (ValueError, RecursionError):
        return []
    found = told.get("mitre_attack") if isinstance(told, dict) else None
    return [str(one) for one in found] if isinstance(found, list) else []


def run(client: SplunkClient, query: Query, since: dt.datetime, until: dt.datetime) -> Hits:
    """Count what one of our rules finds, with the vendor's ids of the events."""
    found = f'search index={client.index} sourcetype="{query.source}" | where {query.body}'
    counted = client.rows(f"{found} | stats count AS hits", since, until)
    count = (counted[0].number("hits") or 0) if counted else 0
    if not query.id_field or not count:
        return Hits(count)
    rows: list[Any] = client.rows(
        f"{found} | rename \"{query.id_field}\" AS event_id | head {MOST_IDS} | table event_id",
        since, until,
    )  # fmt: skip
    return Hits(count, tuple(sorted({one.text("event_id") for one in rows} - {""})))
