"""Sigma's old way to count in a condition, written anew as a rule and a correlation of it."""

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from integrations.detection.errors import Unsupported

_AGGREGATION: Final = re.compile(
    r"(?P<search>[^|]+)\|\s*(?P<how>count|sum|avg|min|max)\s*\(\s*(?P<field>[\w.-]*)\s*\)"
    r"(?:\s*by\s+(?P<by>[\w.-]+(?:\s*,\s*[\w.-]+)*))?\s*(?P<op>>=|<=|==|=|>|<)\s*(?P<number>\d+)\s*"
)
_OPS: Final = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "=": "eq", "==": "eq"}
_KINDS: Final = {"sum": "value_sum", "avg": "value_avg"}
_TIMEFRAME: Final = re.compile(r"\d+[smhd]")
_OF_THE_CORRELATION: Final = (
    "title", "id", "name", "status", "description", "author", "date", "modified", "references",
    "license", "tags", "falsepositives", "level",
)  # fmt: skip


def counts(document: Mapping[str, Any]) -> bool:
    """Whether a rule counts in its condition, in the old way."""
    detection = document.get("detection")
    return isinstance(detection, dict) and "|" in str(detection.get("condition", ""))


def written_anew(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rule for one event, and the correlation that counts its events.

    Unsupported where that can't be said in a correlation.
    """
    detection = document["detection"]
    condition = detection["condition"]
    found = _AGGREGATION.fullmatch(condition.strip()) if isinstance(condition, str) else None
    timeframe = str(detection.get("timeframe", ""))
    if found is None or found["how"] in ("min", "max"):
        raise Unsupported(
            "it counts in an old way that has no new one (near, min, max):"
            " write it as a correlation"
        )
    if not _TIMEFRAME.fullmatch(timeframe):
        raise Unsupported("it counts without a timeframe: give it one (timeframe: 10m)")
    told = str(document.get("id") or document.get("title"))
    one_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{told} one event"))
    searched = {key: value for key, value in detection.items() if key != "timeframe"}
    one = {
        "title": f"{document.get('title')} (one event)",
        "id": one_id,
        "status": document.get("status", "test"),
        "description": "Counted by the correlation beside it; tells nothing by itself.",
        "author": document.get("author", ""),
        "logsource": document.get("logsource"),
        "detection": {**searched, "condition": found["search"].strip()},
        "level": "informational",
    }
    bound: dict[str, Any] = {_OPS[found["op"]]: int(found["number"])}
    kind = _KINDS.get(found["how"], "value_count" if found["field"] else "event_count")
    if found["field"]:
        bound["field"] = found["field"]
    correlation = {
        "type": kind,
        "rules": [one_id],
        "group-by": [name.strip() for name in found["by"].split(",")] if found["by"] else [],
        "timespan": timeframe,
        "condition": bound,
    }
    about = {key: document[key] for key in _OF_THE_CORRELATION if key in document}
    return [one, {**about, "correlation": correlation}]
