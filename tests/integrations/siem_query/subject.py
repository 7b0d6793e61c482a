"""A SIEM of a known product under the conformance suite, and one that its settings describe.

There is no feed, so most is tried in test_products, for each product.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integrations.connectors.siem_query.manifest import MANIFEST
from integrations.simulators.base.simulator import Options
from integrations.simulators.siem_query.elastic import ElasticCluster
from integrations.simulators.siem_query.simulator import KEY_HEADER, QuerySiem
from tests.contracts.published import SIEM_PRODUCTS
from tests.integrations.conformance.subject import TOPICS, Simulated, Subject
from tests.integrations.simulators.serving import serving

_TRIED = ("health", "addresses", "contract")
_PRODUCTS = "tests/integrations/siem_query/test_products.py"
_ERRORS = f"{_PRODUCTS}::test_what_goes_wrong_is_an_error_of_ours_without_the_key"


class ElasticSubject(Subject):
    """The simulated Elasticsearch."""

    manifest = MANIFEST
    endpoints = ("endpoint", "kibana")
    left_out = {
        topic: f"It has no feed and no action; what is asked is tried in {_PRODUCTS}."
        for topic in TOPICS
        if topic not in _TRIED
    }
    excused = {
        **dict.fromkeys(("throttling", "refusals", "server_errors", "broken_answers", "secrets",
                         "redirects"), _ERRORS),
        **dict.fromkeys(("paging", "duplicates"),
                        f"{_PRODUCTS}::test_pages_are_read_to_their_end"),
        "permissions": f"{_PRODUCTS}::test_what_is_not_allowed_is_told_and_the_rest_is_read",
        **dict.fromkeys(("token_expiry", "timeouts", "slow_bodies", "out_of_order", "crash",
                         "deletion"), "nothing is read"),
        **dict.fromkeys(("actions", "late_effects"), "nothing is changed"),
    }  # fmt: skip
    contract = SIEM_PRODUCTS
    unrecorded = (
        "No recorded answers of these products are at hand; the shapes are those of their "
        "published references."
    )

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        options = Options(record_exchanges=folder / "exchanges.ndjson")
        with serving(ElasticCluster(options), seed="demo") as served:
            app = served.control.tenants()[0]["apps"][0]
            settings = {
                "product": "elasticsearch", "endpoint": served.base_url, "kibana": served.base_url,
            }  # fmt: skip
            yield Simulated(MANIFEST, served, settings, {"key": app["secret"]})


@contextmanager
def described(folder: Path) -> Iterator[Simulated]:
    """A SIEM of no product, which the connection's settings describe."""
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


SUBJECT = ElasticSubject()
