"""Custom indicators (IOCs): block a file by its hash on all hosts, or no more.

Falcon can prevent files only; of addresses and domains it merely raises a detection, which is no
block, so those are refused. An indicator that somebody made before is put back as it was.
Source: https://www.falconpy.io/Service-Collections/IOC.html
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.crowdstrike.client import FalconClient, quoted
from integrations.contract import Intention, Json, ReadBack
from integrations.endpoints import digest
from integrations.errors import Rejected
from integrations.values import Fields

READ, WRITE = "IOC Management: Read", "IOC Management: Write"
_INDICATORS = "/iocs/entities/indicators/v1"
_TYPES = {64: "sha256", 32: "md5"}
_BLOCKING = frozenset({"prevent", "prevent_no_ui"})
_BLOCK = {
    "action": "prevent", "severity": "high", "platforms": ["windows", "mac", "linux"],
    "applied_globally": True,
}  # fmt: skip
# What of an indicator is kept, to put it back.
_KEPT = ("action", "severity", "platforms", "applied_globally", "host_groups")


def _typed(intention: Intention) -> tuple[str, str]:
    """The indicator's type and value; Rejected for what Falcon can't block."""
    value = digest(intention.target.external_id)
    if len(value) not in _TYPES:
        raise Rejected(
            f"CrowdStrike Falcon can't block {intention.target.name}: it blocks files by SHA-256 "
            "or MD5 and only watches for addresses and domains. Block it at the firewall or DNS."
        )
    return _TYPES[len(value)], value


def _found(client: FalconClient, intention: Intention) -> dict[str, Any] | None:
    kind, value = _typed(intention)
    found = client.get(
        "/iocs/combined/indicator/v1", READ, filter=f"type:{quoted(kind)}+value:{quoted(value)}"
    )
    there = (one for one in found.items if isinstance(one, dict) and not one.get("deleted"))
    return next(there, None)


def _is_blocking(indicator: dict[str, Any] | None) -> bool:
    told = Fields(indicator or {})
    everywhere = told.truth("applied_globally") is True and told.truth("expired") is not True
    return everywhere and told.word("action") in _BLOCKING


def _kept(indicator: dict[str, Any] | None) -> dict[str, Any] | None:
    if indicator is None:
        return None
    return {name: indicator[name] for name in _KEPT if indicator.get(name) is not None}


def _change(client: FalconClient, indicator: dict[str, Any], wanted: dict[str, Any]) -> None:
    body = {"indicators": [{"id": indicator["id"], **wanted}], "comment": "Holdfast"}
    client.write("PATCH", _INDICATORS, WRITE, body)


@dataclass(frozen=True, slots=True)
class _OfIndicator:
    name: str
    permissions: tuple[str, ...] = (WRITE, READ)

    def snapshot(self, client: FalconClient, intention: Intention) -> Json:
        """The indicator as it is now."""
        found = _found(client, intention)
        return {"is_blocking": _is_blocking(found), "indicator": _kept(found)}


@dataclass(frozen=True, slots=True)
class BlockIndicator(_OfIndicator):
    """Prevent a file from running, on all hosts."""

    name: str = "indicator.block"

    def call(self, client: FalconClient, intention: Intention) -> Json:
        """Make the indicator, or turn one that only watches into one that blocks.

        Rejected where somebody has explicitly allowed the file: that is theirs to take back.
        """
        found = _found(client, intention)
        if _is_blocking(found):
            return {"indicator_id": found and found.get("id")}
        if found is not None:
            if Fields(found).word("action") == "allow":
                raise Rejected(
                    f"Somebody allowed {intention.target.name} in CrowdStrike Falcon's IOC "
                    "management: delete that entry there first."
                )
            _change(client, found, {**_BLOCK, "host_groups": []})
            return {"indicator_id": found.get("id")}
        kind, value = _typed(intention)
        indicator = {"type": kind, "value": value, **_BLOCK, "source": "Holdfast"}
        body = {"indicators": [indicator], "comment": "Holdfast"}
        made = client.write("POST", _INDICATORS, WRITE, body)
        return {"indicator_id": next((Fields(one).text("id") for one in made.items), "")}

    def read_back(self, client: FalconClient, intention: Intention) -> ReadBack:
        """Ask for the indicator again."""
        found = _found(client, intention)
        holds = _is_blocking(found)
        state = "blocks the file on all hosts" if holds else "doesn't block the file"
        return ReadBack(holds, {"indicator": _kept(found)}, f"CrowdStrike Falcon {state}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed; an indicator that was there before is put back."""
        if intention.snapshot.get("is_blocking") is not False:
            return None
        before = intention.snapshot.get("indicator")
        return {"kind": "file", **({"previous": before} if before else {})}


@dataclass(frozen=True, slots=True)
class UnblockIndicator(_OfIndicator):
    """Let a file run again."""

    name: str = "indicator.unblock"

    def call(self, client: FalconClient, intention: Intention) -> Json:
        """Delete the indicator, or put back what was there; one that doesn't block is left."""
        found = _found(client, intention)
        if found is None or not _is_blocking(found):
            return {"changed": False}
        previous = intention.inputs.get("previous")
        if isinstance(previous, dict) and previous:
            _change(client, found, previous)
        else:
            client.write("DELETE", _INDICATORS, WRITE, ids=found["id"], comment="Holdfast")
        return {"changed": True}

    def read_back(self, client: FalconClient, intention: Intention) -> ReadBack:
        """Ask for the indicator again."""
        found = _found(client, intention)
        holds = not _is_blocking(found)
        state = "doesn't block the file" if holds else "still blocks the file"
        return ReadBack(holds, {"indicator": _kept(found)}, f"CrowdStrike Falcon {state}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Block again only what was blocked."""
        return {"kind": "file"} if intention.snapshot.get("is_blocking") is True else None
