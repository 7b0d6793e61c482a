"""Any SIEM under the conformance suite: it has no feed, so most is tried in test_survey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integrations.connectors.siem_query.manifest import MANIFEST
from integrations.simulators.base.simulator import Options
from integrations.simulators.siem_query.simulator import KEY_HEADER, QuerySiem
from tests.integrations.conformance.subject import TOPICS, Simulated, Subject
from tests.integrations.simulators.serving import serving

_TRIED = ("health", "addresses")


class QuerySubject(Subject):
    """The simulated SIEM."""

    manifest = MANIFEST
    left_out = {
        topic: "It has no feed and no action; what is asked is tried in "
        "tests/integrations/siem_query/test_survey.py."
        for topic in TOPICS
        if topic not in _TRIED
    }
    unrecorded = "It is for SIEMs of any vendor, so there is no vendor's data to record."

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        options = Options(record_exchanges=folder / "exchanges.ndjson")
        with serving(QuerySiem(options), seed="demo") as served:
            app = served.control.tenants()[0]["apps"][0]
            settings = {
                "endpoint": f"{served.base_url}/api/search", "header": KEY_HEADER,
                "body": '{"search": "{query}", "from": "{since}"}',
                "rows": "data.rows", "columns": "data.fields",
                "sources_query": "sources",
                "sources_fields": "name=sourcetype last=last rows=total",
                "rules_query": "rules", "expected": "firewall=3, windows=6, proxy=1",
                "rules_fields": "title=name enabled=is_on source=source alerts=count",
                "language": "opensearch", "event_id": "id",
            }  # fmt: skip
            yield Simulated(MANIFEST, served, settings, {"key": app["secret"]})


SUBJECT = QuerySubject()
