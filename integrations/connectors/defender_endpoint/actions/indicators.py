"""Addresses, domains and files that Defender for Endpoint is to block on all computers.

Sources: https://learn.microsoft.com/defender-endpoint/api/ti-indicator, …/post-ti-indicator,
…/get-ti-indicators-collection, …/delete-ti-indicator-by-id. `Ti.ReadWrite` alone would show only
the app's own indicators, and so hide what was there before.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from integrations.connectors.defender_endpoint.client import DefenderClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected
from integrations.microsoft.odata import address, quoted
from integrations.values import Fields

_PERMISSION = "Ti.ReadWrite.All"
_BLOCKING = frozenset({"block", "blockandremediate", "alertandblock"})
_TYPES = {"ip": "IpAddress", "domain": "DomainName", "url": "Url"}
_HASHES = {32: "FileMd5", 40: "FileSha1", 64: "FileSha256"}
_FILES = frozenset({"file", "hash", "md5", "sha1", "sha256"})
# What an indicator is made of again.
_KEPT = (
    "indicatorValue", "indicatorType", "action", "title", "description", "severity",
    "recommendedActions", "rbacGroupNames", "expirationTime", "generateAlert", "application",
)  # fmt: skip


def type_of(intention: Intention) -> str:
    """Defender's type of the indicator; Rejected where there is none for its kind."""
    kind, value = str(intention.inputs.get("kind", "")).lower(), intention.target.external_id
    found = _TYPES.get(kind)
    if kind in _FILES and re.fullmatch(r"[0-9A-Fa-f]+", value):
        found = _HASHES.get(len(value))
    if found is None:
        raise Rejected(
            f"Defender can't block a {kind or 'thing of no kind'}: give an ip, domain, url, or the "
            "MD5, SHA-1 or SHA-256 of a file."
        )
    return found


def read(client: DefenderClient, intention: Intention) -> Fields | None:
    """The indicator of the target, if there is one that is not over."""
    value, kind = intention.target.external_id, type_of(intention)
    condition = f"indicatorValue eq '{quoted(value)}' and indicatorType eq '{kind}'"
    path = address("/indicators", filter=condition, top=10)
    now = dt.datetime.now(dt.UTC)
    for body in client.all(path, _PERMISSION, 10):
        one = Fields(body)
        over = one.time("expirationTime")
        if one.text("indicatorValue").lower() == value.lower() and (over is None or over > now):
            return one
    return None


def is_blocking(one: Fields | None) -> bool:
    """Whether it keeps what it names from being reached or run, on all computers."""
    if one is None or one.texts("rbacGroupNames"):
        return False
    return one.word("action") in _BLOCKING


def _kept(one: Fields | None) -> dict[str, Any]:
    return {} if one is None else {k: one.body[k] for k in _KEPT if one.body.get(k) is not None}


def _seen(one: Fields | None, *, holds: bool) -> ReadBack:
    action = one.text("action") if one is not None else ""
    words = f"the action {action}" if action else "no indicator"
    if one is not None and one.texts("rbacGroupNames"):
        words += f", only for {', '.join(one.texts('rbacGroupNames'))}"
    return ReadBack(
        holds,
        {"indicator": _kept(one), "id": one.text("id") if one is not None else ""},
        f"Defender shows {words} for it.",
    )


@dataclass(frozen=True, slots=True)
class BlockIndicator:
    """Block it on all computers, and raise an alert where it is met."""

    name: str = "indicator.block"
    permissions: tuple[str, ...] = (_PERMISSION,)

    def snapshot(self, client: DefenderClient, intention: Intention) -> Json:
        """What Defender does with it now."""
        found = read(client, intention)
        return {"is_blocked": is_blocking(found), "indicator": _kept(found)}

    def call(self, client: DefenderClient, intention: Intention) -> Json:
        """Submit the indicator. Submitting it again gives the same one.

        Rejected where an administrator has allowed it: that decision is a person's to change.
        """
        found, kind = read(client, intention), type_of(intention)
        if found is not None and found.word("action") == "allowed":
            raise Rejected(
                "An indicator in Defender allows it. Remove that one first, if it is wrong."
            )
        body: dict[str, Any] = {
            "indicatorValue": intention.target.external_id,
            "indicatorType": kind,
            "action": "BlockAndRemediate" if kind.startswith("File") else "Block",
            "title": f"Blocked: {intention.target.name}",
            "description": "Blocked by Holdfast in the course of an incident.",
            "severity": "High",
            "generateAlert": True,
            # Both would otherwise stay as they were with an indicator that is changed.
            "rbacGroupNames": [],
            "expirationTime": None,
        }
        if not is_blocking(found):
            answer = client.write("POST", "/indicators", _PERMISSION, body)
            found = Fields(answer if isinstance(answer, dict) else {})
        return {"indicator": found.text("id") if found is not None else ""}

    def read_back(self, client: DefenderClient, intention: Intention) -> ReadBack:
        """It must be blocked on all computers."""
        found = read(client, intention)
        return _seen(found, holds=is_blocking(found))

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Unblock it, and put an indicator back that was there before; None if it was blocked."""
        if intention.snapshot.get("is_blocked") is not False:
            return None
        before = intention.snapshot.get("indicator") or {}
        previous = {"previous": dict(before)} if before else {}
        return {"kind": intention.inputs.get("kind", ""), **previous}


@dataclass(frozen=True, slots=True)
class UnblockIndicator:
    """Block it no more."""

    name: str = "indicator.unblock"
    permissions: tuple[str, ...] = (_PERMISSION,)

    def snapshot(self, client: DefenderClient, intention: Intention) -> Json:
        """What Defender does with it now."""
        found = read(client, intention)
        return {"is_blocked": is_blocking(found), "indicator": _kept(found)}

    def call(self, client: DefenderClient, intention: Intention) -> Json:
        """Delete the indicator, or put the one that was there before back; only while it blocks."""
        found = read(client, intention)
        if found is None or not is_blocking(found):
            return {"indicator": ""}
        previous = intention.inputs.get("previous")
        if previous:
            client.write("POST", "/indicators", _PERMISSION, dict(previous))
        else:
            self._delete(client, found.text("id"))
        return {"indicator": found.text("id")}

    def read_back(self, client: DefenderClient, intention: Intention) -> ReadBack:
        """It must not be blocked."""
        found = read(client, intention)
        return _seen(found, holds=found is None or found.word("action") not in _BLOCKING)

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Block it again; None where it was not blocked."""
        if not intention.snapshot.get("is_blocked"):
            return None
        return {"kind": intention.inputs.get("kind", "")}

    def _delete(self, client: DefenderClient, indicator_id: str) -> None:
        try:
            client.write("DELETE", address("/indicators/{}", indicator_id), _PERMISSION)
        except NotFound:
            # Gone in the meantime, which is what was wanted.
            return
