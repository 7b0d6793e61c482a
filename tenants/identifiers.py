"""By what an account is known beyond its provider: immutable ids, SIDs, addresses, logins. Pure.

A display name is never one of them: two people may have the same.
"""

import base64
import binascii
import re
import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["immutable_id", "sid", "address", "login"]
Value = tuple[Kind, str]

_LONGEST = 320
_SID = re.compile(r"S-1-\d{1,15}(-\d{1,10}){1,15}")
# Every domain has these from the start; they are no person's (S-1-5-32-…, S-1-5-18 … 20).
_WELL_KNOWN = re.compile(r"S-1-5-(18|19|20|32-\d+)")
_ADDRESS = re.compile(r"[^@\s\\/:;,<>()\"]+@[^@\s\\/:;,<>()\"]+")
# What providers tell under these names beside the account's own fields.
_ANCHORS = ("immutable_id", "sync_anchor")
_OTHER_NAMES = ("user_principal_name",)
_OTHER_ADDRESSES = ("aliases", "proxy_addresses")


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """One identifier of an account. `is_own`: its own name at the provider, and no alias."""

    kind: Kind
    value: str
    is_own: bool


def of_account(
    external_id: str, username: str, email: str, sid: str, attributes: Mapping[str, Any]
) -> frozenset[Identifier]:
    """Return what identifies an account as its provider tells it now.

    `attributes` may hold ``immutable_id`` and ``sync_anchor`` (the id that a directory
    synchronisation keeps at both ends), ``former_sids``, ``user_principal_name``, ``aliases``.
    An alias that is also the account's own name counts as its own.
    """
    found: dict[Value, bool] = {}

    def add(kind: Kind, value: str, is_own: bool) -> None:
        if value:
            found[kind, value] = found.get((kind, value), False) or is_own

    add("immutable_id", _guid(external_id), True)
    for name in _ANCHORS:
        add("immutable_id", anchor(attributes.get(name)), False)
    add("sid", _sid(sid), True)
    for value in _texts(attributes.get("former_sids")):
        add("sid", _sid(value), False)
    for value in (username, email, *(str(attributes.get(name) or "") for name in _OTHER_NAMES)):
        add("address", address(value), True)
    for name in _OTHER_ADDRESSES:
        for value in _texts(attributes.get(name)):
            add("address", address(value), False)
    add("login", login(username), True)
    return frozenset(Identifier(kind, value, is_own) for (kind, value), is_own in found.items())


def of_users(attributes: Mapping[str, Any]) -> list[str]:
    """Return who uses a device, as it tells: ``users``, ``user_principal_name``, ``last_user``.

    Addresses and logins with their domain, the first that tells; a bare name is nobody's.
    """
    for name in ("users", "user_principal_name", "last_user"):
        told = attributes.get(name)
        values = _texts(told) if isinstance(told, list) else [str(told or "")]
        found = {address(value) or login(value) for value in values} - {""}
        if found:
            return sorted(found)
    return []


def address(text: str) -> str:
    """Return an address or user principal name in lower case; "" where the text is none."""
    bare = _lowered(text)
    bare = bare.removeprefix("smtp:")
    return bare if len(bare) <= _LONGEST and _ADDRESS.fullmatch(bare) else ""


def login(text: str) -> str:
    """Return ``domain\\name`` in lower case; "" where the text is none."""
    domain, slash, name = _lowered(text).partition("\\")
    is_one = slash and domain not in {"", "."} and name and "\\" not in name
    return f"{domain}\\{name}" if is_one and len(text) <= _LONGEST else ""


def anchor(value: Any) -> str:
    """Return the id that a synchronisation keeps, as a GUID where it is one in any notation.

    Entra's onPremisesImmutableId is the base64 of the 16 bytes of objectGUID or
    mS-DS-ConsistencyGuid, unless another attribute was chosen as source anchor
    (https://learn.microsoft.com/entra/identity/hybrid/connect/plan-connect-design-concepts).
    """
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > _LONGEST:
        return ""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) == 16 and text.endswith("=="):
        return str(uuid.UUID(bytes_le=raw))
    return _guid(text) or text


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text)) if len(text) in {32, 36, 38} else ""
    except ValueError:
        return ""


def _sid(text: str) -> str:
    bare = str(text or "").strip().upper()
    return bare if _SID.fullmatch(bare) and not _WELL_KNOWN.fullmatch(bare) else ""


def _lowered(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().lower()


def _texts(value: Any) -> Iterable[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
