"""What attackers most likely try with a client, in an owner's words."""

import uuid

from integrations.alerting import coverage
from integrations.intelligence import profiles
from msp.reports.content import LikelyThreat, LikelyThreats

_TOLD = 5
_WATCHED = {
    "covered": "Yes",
    "watched": "Being tried out",
    "blind": "Not yet: the system that would tell us is not connected",
    "none": "No",
}


def likely(tenant_id: uuid.UUID) -> LikelyThreats | None:
    """Return the likeliest ways of attack on the scope's tenant; None where it has no profile."""
    profile = profiles.current()
    if profile is None:
        return None
    ranked = profiles.rank(profile, coverage.of_tenants([tenant_id]))
    told = [LikelyThreat(one.plain, _WATCHED[one.state], one.helps) for one in ranked if one.plain]
    # Every company is no reason of this client's own.
    reasons = tuple(one.title for one in profiles.reasons(profile)[1:] if one.techniques)
    return LikelyThreats(reasons, tuple(told[:_TOLD]))
