"""Elasticsearch and OpenSearch: log sources and hits by `_search`, which both have alike.

A search that timed out or lost shards answers 200 with a part: that is no answer here.
Sources: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search,
https://docs.opensearch.org/latest/api-reference/search-apis/search/.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from integrations.errors import Unavailable
from integrations.session import Session
from integrations.siem.records import MOST_IDS, Hits, LogSource, Query
from integrations.values import Fields

SEARCH: Final = "search"
TIME: Final = "@timestamp"
MOST_SOURCES: Final = 1_000
_MOST_INDICES = 50
_DAY = re.compile(r"(?:[-_.]\d{4}[-_.]\d{2}(?:[-_.]\d{2})?)?(?:-\d{6})?$")


class SearchClient:
    """The search of a cluster. Methods raise `integrations.errors`.

    `index` are the names or patterns of what is searched, `source_field` names the log source in
    its events.
    """

    def __init__(self, session: Session, index: str, source_field: str) -> None:
        self.session = session
        self.index = index
        self.source_field = source_field

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.session.base_url}>"

    def close(self) -> None:
        """Give back the sockets."""
        self.session.close()

    def search(self, index: str, body: Mapping[str, Any]) -> Fields:
        """Ask; Unavailable where only a part was answered. What isn't there has nothing."""
        told = self.session.ask(
            f"/{quote(index, safe='*,.-_')}/_search", SEARCH, body,
            ignore_unavailable="true", allow_no_indices="true",
        )  # fmt: skip
        if not isinstance(told, Mapping) or not isinstance(told.get("hits"), Mapping):
            raise Unavailable("POST /_search: the answer holds no hits; it is tried again.")
        answer = Fields(told)
        if told.get("timed_out") or answer.nested("_shards").number("failed"):
            raise Unavailable(
                "POST /_search: the SIEM searched only a part of its shards; it is tried again."
            )
        return answer

    def sources(self, since: dt.datetime, until: dt.datetime) -> dict[LogSource, tuple[str, ...]]:
        """Log sources with their newest event, and in which indices each has some."""
        told = self.search(self.index, {
            "size": 0,
            "query": {"range": {TIME: between(since, until)}},
            "aggs": {"sources": {
                "terms": {"field": self.source_field, "size": MOST_SOURCES},
                "aggs": {
                    "last": {"max": {"field": TIME}},
                    "indices": {"terms": {"field": "_index", "size": _MOST_INDICES}},
                },
            }},
        })  # fmt: skip
        found: dict[str, tuple[LogSource, tuple[str, ...]]] = {}
        for one in told.nested("aggregations").nested("sources").objects("buckets"):
            indices = [index.text("key") for index in one.nested("indices").objects("buckets")]
            # Where indices are the log sources, those of each day are one.
            name = stream(one.text("key")) if self.source_field == "_index" else one.text("key")
            rows, last = one.number("doc_count") or 0, one.nested("last").time("value")
            if name in found:
                before, others = found[name]
                rows += before.rows or 0
                last = max(filter(None, (last, before.last_at)), default=None)
                indices += others
            found[name] = (LogSource(name, rows, last), tuple(sorted(set(map(stream, indices)))))
        return dict(found.values())

    def counts(
        self, index: str, field: str, since: dt.datetime, until: dt.datetime
    ) -> dict[str, int]:
        """How many events of an index have each value of a field."""
        told = self.search(index, {
            "size": 0,
            "query": {"range": {TIME: between(since, until)}},
            "aggs": {"values": {"terms": {"field": field, "size": 10 * MOST_SOURCES}}},
        })  # fmt: skip
        buckets = told.nested("aggregations").nested("values").objects("buckets")
        return {one.text("key"): one.number("doc_count") or 0 for one in buckets}

    def run(self, query: Query, since: dt.datetime, until: dt.datetime) -> Hits:
        """Count what one of our rules finds, with the vendor's ids of the events."""
        told = self.search(self.index, {
            "size": MOST_IDS if query.id_field else 0,
            "track_total_hits": True,
            "_source": [query.id_field] if query.id_field else False,
            "query": {"bool": {"filter": [{"range": {TIME: between(since, until)}}, query.body]}},
        })  # fmt: skip
        hits = told.nested("hits")
        ids = (
            Fields({"id": _at(one.raw("_source"), query.id_field)}).text("id")
            for one in hits.objects("hits")
        )
        count = hits.nested("total").number("value") or 0
        return Hits(count, tuple(sorted({one for one in ids if one})))


def stream(index: str) -> str:
    """Return an index without its day and number: ``.ds-logs-x-default-2026.11.20-000001``."""
    return _DAY.sub("", index.removeprefix(".ds-"))


def between(since: dt.datetime, until: dt.datetime) -> dict[str, str]:
    """Return a range from `since` and before `until`."""
    return {"gte": moment(since), "lt": moment(until), "format": "strict_date_optional_time"}


def moment(at: dt.datetime) -> str:
    """Return a moment as both write it."""
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _at(source: Any, path: str) -> Any:
    """A field by its dotted name, which may stand there in one piece."""
    if not isinstance(source, Mapping):
        return None
    if path in source:
        return source[path]
    first, _, rest = path.partition(".")
    return _at(source.get(first), rest) if rest else None
