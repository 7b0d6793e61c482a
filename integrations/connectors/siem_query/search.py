"""Elasticsearch and OpenSearch: log sources and hits by `_search`, which both have alike.

A search that timed out or lost shards answers 200 with a part: that is no answer here.
Sources: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search,
https://docs.opensearch.org/latest/api-reference/search-apis/search/.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from integrations.connectors.siem_query.patterns import Places, stream
from integrations.errors import Unavailable
from integrations.session import Session
from integrations.siem.records import MOST_IDS, Hits, LogSource, Query
from integrations.values import Fields

SEARCH: Final = "search"
TIME: Final = "@timestamp"
MOST_SOURCES: Final = 1_000
_MOST_INDICES = 50


class _Found:
    """Log sources as they are met; where indices are the log sources, those of each day are one."""

    def __init__(self) -> None:
        self.sources: dict[str, LogSource] = {}
        self.indices: dict[str, list[str]] = {}

    def note(self, bucket: Fields, indices: list[str], *, is_index: bool) -> None:
        told = bucket.text("key")
        name = stream(told) if is_index else told
        before = self.sources.get(name, LogSource(name, 0, None))
        rows = (bucket.number("doc_count") or 0) + (before.rows or 0)
        ends = filter(None, (bucket.nested("last").time("value"), before.last_at))
        self.sources[name] = LogSource(name, rows, max(ends, default=None))
        self.indices[name] = sorted({*self.indices.get(name, ()), *indices})


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

    def sources(self, since: dt.datetime, until: dt.datetime) -> tuple[list[LogSource], Places]:
        """Log sources with their newest event, and in which indices each has some.

        Where events have no `source_field`, their index is their log source.
        """
        is_index = self.source_field == "_index"
        newest = {"last": {"max": {"field": TIME}}}
        indices = {"terms": {"field": "_index", "size": _MOST_INDICES}}
        told = self.search(self.index, {
            "size": 0,
            "query": {"range": {TIME: between(since, until)}},
            "aggs": {
                "sources": {
                    "terms": {"field": self.source_field, "size": MOST_SOURCES},
                    "aggs": {**newest, "indices": indices},
                },
                **({} if is_index else {"others": {
                    "missing": {"field": self.source_field},
                    "aggs": {"indices": {**indices, "aggs": newest}},
                }}),
            },
        }).nested("aggregations")  # fmt: skip
        named, unnamed = told.nested("sources"), told.nested("others").nested("indices")
        found = _Found()
        for one in named.objects("buckets"):
            own = one.nested("indices")
            names = [index.text("key") for index in own.objects("buckets")]
            found.note(one, names, is_index=is_index)
        for one in unnamed.objects("buckets"):
            found.note(one, [one.text("key")], is_index=True)
        cut = [named, unnamed, *(one.nested("indices") for one in named.objects("buckets"))]
        is_whole = not any(one.number("sum_other_doc_count") for one in cut)
        return list(found.sources.values()), Places(self.index, found.indices, is_whole)

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
