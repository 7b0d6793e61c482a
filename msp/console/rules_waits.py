"""How long each tier has for its answer, as fields of the form of the rules of engagement.

The form shows what holds, whoever says so: the document itself, the MSP-wide rules that it is laid
on, or Holdfast. Only what a person changed there becomes a part of the document.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from msp.console.rules_page import OUTCOMES
from msp.console.words import ASKED
from playbooks.approval_policy import DEFAULTS, ON_TIMEOUT, ApprovalPolicy, load_policies
from playbooks.engagement import Engagement, is_override
from playbooks.models import Tier

_NUMBERS = ("hours", "remind_after_hours", "escalate_after_hours")
_TIMEOUT = "on_timeout"
_KEYS = (*_NUMBERS, _TIMEOUT)


@dataclass(frozen=True, slots=True)
class WaitRow:
    """One tier's row: `told` is what its fields show, `is_own` whether the document says it."""

    tier: str
    told: Mapping[str, Any]
    is_own: bool
    outcomes: list[tuple[str, str]]

    @property
    def asked(self) -> str:
        """Return who is asked at this tier."""
        return ASKED[Tier(self.tier)]

    @property
    def numbers(self) -> list[tuple[str, Any]]:
        """Return the fields that hold hours, in the order of the form."""
        return [(name, self.told.get(name, "")) for name in _NUMBERS]


def rows(document: Mapping[str, Any], base: Engagement | None) -> list[WaitRow]:
    """Return the rows of the form for a document."""
    own = _own(document)
    return [
        WaitRow(
            tier,
            _shown(document, base, tier),
            tier in own,
            [(one, OUTCOMES[one]) for one in ON_TIMEOUT if tier == "client" or one != "technician"],
        )
        for tier in DEFAULTS
    ]


def from_fields(
    posted: Mapping[str, Any], before: Mapping[str, Any], base: Engagement | None
) -> dict[str, Any]:
    """Return `approvals:` as the form makes it; tiers that do as others say are left out.

    A row without any number does as the MSP, or Holdfast, says.
    """
    own = dict(_own(before))
    extends = base is not None and bool(posted.get("extends"))
    is_laid_as_before = extends == is_override(before)
    for tier, standard in _standards(base if extends else None).items():
        told = _posted(posted, tier)
        if told is None or (is_laid_as_before and told == _shown(before, base, tier)):
            continue
        if told == asdict(standard) or not any(name in told for name in _NUMBERS):
            own.pop(tier, None)
        else:
            own[tier] = told
    return own


def number(text: str) -> int | str:
    """Return a whole number; what is none stays as it is, for the message that refuses it."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else text


def _own(document: Mapping[str, Any]) -> Mapping[str, Any]:
    told = document.get("approvals")
    return told if isinstance(told, Mapping) else {}


def _standards(base: Engagement | None) -> Mapping[str, ApprovalPolicy]:
    return base.approvals if base is not None else DEFAULTS


def _shown(document: Mapping[str, Any], base: Engagement | None, tier: str) -> dict[str, Any]:
    """Return what the fields of a tier show: what holds, with what the document says laid over."""
    own = _own(document).get(tier)
    if not isinstance(own, Mapping):
        return asdict(_standards(base if is_override(document) else None)[tier])
    policies, _ = load_policies({tier: own})
    return {**asdict(policies[tier]), **{name: own[name] for name in own if name in _KEYS}}


def _posted(posted: Mapping[str, Any], tier: str) -> dict[str, Any] | None:
    """Return what was entered for a tier; None where the form had no such row."""
    if f"wait-{tier}-hours" not in posted:
        return None
    entered = {name: str(posted.get(f"wait-{tier}-{name}", "")).strip() for name in _NUMBERS}
    told: dict[str, Any] = {name: number(text) for name, text in entered.items() if text}
    if told:
        # A reminder that somebody took out is none.
        told = {"remind_after_hours": 0, "escalate_after_hours": 0, **told}
    return {**told, _TIMEOUT: str(posted.get(f"wait-{tier}-{_TIMEOUT}", ""))}
