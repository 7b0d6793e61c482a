"""Records in which a key stands more than once: taken in, with both values and a note of it. Pure.

Rules read each of the values, so that nobody hides one behind another. A normaliser finds the last,
as nearly every reader of JSON does. The note is kept beside the record and shown with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from integrations import json_text
from tenants.errors import Quarantine
from tenants.records import Finding, Normalised, SourceRecord

NOTE: Final = "doubled_keys"
# Of more the values are kept too; only their places are not noted.
_MOST_NOTED: Final = 200
_MOST_NAMED: Final = 5


def noted(record: SourceRecord) -> SourceRecord:
    """Return a record as it is kept: with a list of the values of each key that is doubled."""
    return spread(record) if json_text.has_doubled(record.body) else record


def spread(record: SourceRecord) -> SourceRecord:
    """Return a record of which it is known that it has doubled keys, as it is kept."""
    body, paths = json_text.spread(record.body)
    return SourceRecord(body, {**record.context, NOTE: paths[:_MOST_NOTED]})


def read_by(normalise: Callable[[SourceRecord], Normalised]) -> Callable[
    [SourceRecord], Normalised
]:  # fmt: skip
    """Return a normaliser that finds the last value of each doubled key.

    That keys are doubled is said in an alert's description, and where the record can't be read.
    """

    def read(record: SourceRecord) -> Normalised:
        if NOTE not in record.context:
            return normalise(record)
        try:
            body = json_text.folded(record.body, record.context[NOTE])
            told = {key: value for key, value in record.context.items() if key != NOTE}
            made = normalise(SourceRecord(body, told))
        except Quarantine as error:
            raise Quarantine(error.code, f"{error.reason} {words(record.context)}") from None
        if not isinstance(made, Finding):
            return made
        described = f"{made.description}\n{words(record.context)}".strip()
        return replace(made, description=described)

    return read


def words(context: Mapping[str, Any]) -> str:
    """Return what is to be said of a kept record's doubled keys; empty where it has none."""
    paths = context.get(NOTE)
    if not paths:
        return ""
    names = sorted({str(path[-1])[:80] for path in paths})
    named = ", ".join(map(repr, names[:_MOST_NAMED]))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (
        f"It has {named}{more} twice in one object, and nothing says which value counts: all are"
        " kept, as a list, and rules read each. Have the sender write each key once."
    )
