"""The envelopes that Wazuh's answers and examples put records in."""

from collections.abc import Mapping
from typing import Any

from integrations.envelopes import Exploder
from tenants.records import SourceRecord

_SECRETS = frozenset({"token", "key"})
_EXPLODER = Exploder(
    lists=("hits", "data", "affected_items"),
    beside=(
        "message", "error", "title", "total_affected_items", "total_failed_items", "failed_items",
        "took", "timed_out", "_shards", "_scroll_id", "total", "max_score",
    ),
)  # fmt: skip


def explode(document: Any) -> list[SourceRecord]:
    """The records of an answer of the API or the indexer, a delivery, or a file of any of these.

    An example of the API's description names its path in `contract_path`.
    """
    if isinstance(document, Mapping) and "contract_path" in document and "body" in document:
        document = {
            "method": document.get("method"),
            "url": document["contract_path"],
            "status": document.get("status"),
            "body": document["body"],
        }
    return _EXPLODER(_without_secrets(document))


def _without_secrets(document: Any) -> Any:
    """The answer of the sign-in service without its token, and of an enrolment without its key."""
    if not isinstance(document, Mapping):
        return document
    if isinstance(document.get("body"), Mapping):
        return {**document, "body": _without_secrets(document["body"])}
    data = document.get("data")
    if not isinstance(data, Mapping) or not _SECRETS & data.keys() or len(data) > 2:
        return document
    removed = {name: "[removed]" if name in _SECRETS else value for name, value in data.items()}
    return {**document, "data": removed}
