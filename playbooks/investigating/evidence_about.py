"""Whom and what an answer is about: of a case with two accounts, each has evidence of its own."""

from collections.abc import Mapping
from typing import Any, Final

from integrations import catalog
from integrations.errors import UnknownAction
from playbooks.cases.case_devices import CaseDevice
from tenants.models import Account, Evidence

# The ids of what is looked at, by kind: several of a device that several connectors know.
About = Mapping[str, frozenset[str]]
_KINDS: Final = ("account", "device", "message")
# How an answer keeps it.
_NAME: Final = "about"


def of(account: Account | None, device: CaseDevice | None, message: str) -> About:
    """Return what is looked at, as answers are compared with it."""
    rows = device.rows if device is not None else ()
    return {
        "account": frozenset({account.external_id} if account is not None else ()),
        "device": frozenset(row.external_id for row in rows),
        "message": frozenset({message} if message else ()),
    }


def of_facts(facts: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return what an answer keeps of whom and what it was asked about."""
    told = {kind: facts[kind]["external_id"] for kind in _KINDS if kind in facts}
    return {_NAME: told} if told else {}


def concerns(row: Evidence, about: About, *, is_first: bool) -> bool:
    """Whether an answer is about what is looked at; what is about nobody tells of all.

    `is_first`: whether that is what the case is about first, as answers are that don't say.
    """
    kind = _kind(row.gatherer)
    if kind == "tenant":
        return True
    told = row.answer.get(_NAME, {}).get(kind)
    return is_first if not told or not about[kind] else told in about[kind]


def _kind(gatherer: str) -> str:
    try:
        target = catalog.get(gatherer).target
    except UnknownAction:
        # Asked by an earlier release.
        return "account"
    if target in ("tenant", "message"):
        return target
    return "device" if target in catalog.OF_A_DEVICE else "account"
