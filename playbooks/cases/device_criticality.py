"""How critical a device is, and who says so: a technician, else its vendor. Of 1 to 4; 0: nobody.

Defender's value of a device is Low, Normal or High; Falcon tells an asset's criticality with each
vulnerability.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from integrations import ocsf
from tenants.models import Device, Event

# Only what is above normal weighs; Falcon's other words are Noncritical and Unassigned.
_OF_VENDORS: Final = {"high": 3, "critical": 4}
_FALCON: Final = "crowdstrike"


@dataclass(frozen=True, slots=True)
class Criticality:
    """A level with who says so; `by_hand`: a technician."""

    level: int = 0
    why: str = ""
    by_hand: bool = False


def of_device(rows: Collection[Device]) -> Criticality:
    """Return how critical a device is, which is known as these rows."""
    said = [row for row in rows if row.criticality_by_hand is not None]
    if said:
        row = max(said, key=lambda one: one.criticality_by_hand or 0)
        return Criticality(row.criticality_by_hand or 0, row.criticality_because, by_hand=True)
    told = [(_OF_VENDORS.get(word.lower(), 0), title, word) for title, word in _words(rows)]
    level, title, word = max(told, default=(0, "", ""))
    return Criticality(level, f"{title} calls it {word}") if level else Criticality()


def _words(rows: Collection[Device]) -> list[tuple[str, str]]:
    told = [("Defender", str(row.attributes.get("device_value") or "")) for row in rows]
    told += [("Falcon", _falcons(row.external_id)) for row in rows if row.provider == _FALCON]
    return told


def _falcons(host: str) -> str:
    """Return what Falcon said last of a host with a vulnerability; their ids begin with its own."""
    events = Event.objects.filter(
        connector=_FALCON, class_uid=ocsf.VULNERABILITY_FINDING,
        uid__gte=f"{host}_", uid__lt=f"{host}_g",
    ).filter(entities__contains=[f"device_id:{_FALCON}:{host}".lower()])  # fmt: skip
    last = events.order_by("-time").values_list("ocsf__unmapped__asset_criticality", flat=True)
    return str(last.first() or "")
