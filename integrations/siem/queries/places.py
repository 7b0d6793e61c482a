"""Where the fields of Sigma's log sources stand in a SIEM: data, in places.yml."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from integrations.detection.errors import Unsupported
from integrations.detection.rules import LogSource

_FILE = Path(__file__).with_name("places.yml")


@dataclass(frozen=True, slots=True)
class Places:
    """A log source in a SIEM: its table or index, and for each field the columns that hold it.

    `prefix`: a field that isn't named stands below it, with its first letter small unless it
    `keeps_case`; without one such a field is refused. `where` is what else marks its events,
    in the SIEM's language; `event_id` is the column of the id by which the vendor knows the event.
    """

    source: LogSource
    table: str
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prefix: str = ""
    keeps_case: bool = False
    where: Any = None
    event_id: str = ""

    def of(self, name: str) -> tuple[str, ...]:
        """Return the columns of a field; Unsupported where there is none."""
        found = self.fields.get(name.lower())
        if found:
            return found
        if self.prefix and "." not in name:
            first = name[:1] if self.keeps_case else name[:1].lower()
            return (f"{self.prefix}{first}{name[1:]}",)
        raise Unsupported(f"no column of {self.table} is known for its field {name}")


def places(language: str, source: LogSource) -> Places:
    """Return where a rule's log source is; Unsupported where the SIEM has none that is known."""
    for one in _all(language):
        if source.covers(one.source) and (source.product or source.service or source.category):
            return one
    told = "/".join(filter(None, (source.product, source.service, source.category))) or "any"
    raise Unsupported(f"it is for the log source {told}, which has no known place there")


@cache
def _all(language: str) -> tuple[Places, ...]:
    told = yaml.safe_load(_FILE.read_text("utf-8")).get(language) or []
    return tuple(
        Places(
            LogSource(one.get("product", ""), one.get("service", ""), one.get("category", "")),
            one["table"],
            {name.lower(): _listed(where) for name, where in (one.get("fields") or {}).items()},
            one.get("prefix", ""),
            bool(one.get("keeps_case")),
            one.get("where"),
            one.get("id", ""),
        )
        for one in told
    )


def _listed(told: Any) -> tuple[str, ...]:
    return tuple(told) if isinstance(told, list) else (told,)
