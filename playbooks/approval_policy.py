"""How long each tier has for its answer, who is reminded when, and what silence means."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

ON_TIMEOUT = ("end", "technician", "reversible_part")
# Nothing of a plan that is older begins: what was right then may be wrong now.
LONGEST_PLAN = dt.timedelta(days=3)
_MOST_HOURS = LONGEST_PLAN // dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """The wait for one tier, in hours; 0 for no reminder and no escalation.

    `on_timeout` when nobody answered: `end` the plan for a person to look at, let a `technician`
    answer for the client, or carry out the `reversible_part` only.
    """

    hours: int
    remind_after_hours: int = 0
    escalate_after_hours: int = 0
    on_timeout: str = "end"


DEFAULTS: Mapping[str, ApprovalPolicy] = MappingProxyType(
    {
        "technician": ApprovalPolicy(24, remind_after_hours=2, escalate_after_hours=4),
        "second_technician": ApprovalPolicy(24, remind_after_hours=2, escalate_after_hours=4),
        "client": ApprovalPolicy(
            48, remind_after_hours=4, escalate_after_hours=8, on_timeout="technician"
        ),
    }
)
_KEYS = tuple(field.name for field in fields(ApprovalPolicy))


def load_policies(told: Any) -> tuple[dict[str, ApprovalPolicy], list[tuple[str, str]]]:
    """Read `approvals:`; return every tier's policy, and what is wrong as (tier, words)."""
    policies = dict(DEFAULTS)
    if not isinstance(told, Mapping):
        return policies, [("", "`approvals:` is a mapping from a tier to its hours")]
    problems = []
    for tier, wanted in told.items():
        try:
            policies[tier] = _policy(tier, wanted)
        except ValueError as error:
            problems.append((str(tier), str(error)))
    return policies, problems


def _policy(tier: str, told: Any) -> ApprovalPolicy:
    if tier not in DEFAULTS:
        raise ValueError(f"nobody is asked at the tier {tier!r}; tiers: {', '.join(DEFAULTS)}")
    if not isinstance(told, Mapping):
        raise ValueError(f"a mapping is needed, with: {', '.join(_KEYS)}")
    unknown = sorted(map(str, set(told) - set(_KEYS)))
    if unknown:
        raise ValueError(f"unknown keys {unknown}; known: {', '.join(_KEYS)}")
    standard = DEFAULTS[tier]
    hours = _whole(told, "hours", standard.hours, least=1)
    remind = _whole(told, "remind_after_hours", min(standard.remind_after_hours, hours - 1))
    escalate = _whole(told, "escalate_after_hours", min(standard.escalate_after_hours, hours - 1))
    if max(remind, escalate) >= hours:
        raise ValueError(f"reminder and escalation have to come before the {hours} h are over")
    on_timeout = told.get("on_timeout", standard.on_timeout)
    if on_timeout not in ON_TIMEOUT:
        raise ValueError(f"on_timeout {on_timeout!r} is none of: {', '.join(ON_TIMEOUT)}")
    if on_timeout == "technician" and tier != "client":
        raise ValueError("only the client's answer can fall back to a technician: use `end`")
    return ApprovalPolicy(hours, remind, escalate, on_timeout)


def _whole(told: Mapping[str, Any], key: str, standard: int, least: int = 0) -> int:
    value = told.get(key, standard)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST_HOURS:
        raise ValueError(f"{key} {value!r} is no whole number from {least} to {_MOST_HOURS}")
    return value
