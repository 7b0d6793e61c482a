"""The measures of clients' cases in a month: the same for the console, the API and reports."""

import dataclasses
import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from msp.licensing.periods import Period
from playbooks.freezes import zone_of
from playbooks.quality import baselines, measures, measuring
from playbooks.quality.measures import CaseMeasures, Measures, Share
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Measured:
    """The measures of the cases opened in a month: of all the clients together, and of each."""

    period: Period
    together: Measures
    clients: tuple[tuple[Tenant, Measures], ...]
    cases: tuple[CaseMeasures, ...]


def of_period(
    period: Period, tenants: Iterable[Tenant], until: dt.datetime | None = None
) -> Measured:
    """Return the measures of the tenants' cases, in a scope that reads them.

    A case counts in the month in which it was opened, in its tenant's time zone; with `until`,
    only where that was before. Minutes saved are by the baselines that were declared before the
    month was over (UTC), so that a month's number stays what it was.
    """
    told = sorted(tenants, key=lambda tenant: tenant.slug)
    minutes = baselines.in_force(period.end(dt.UTC))
    cases = measuring.of_cases({tenant.id: _interval(period, tenant, until) for tenant in told})
    by_tenant: dict[uuid.UUID, list[CaseMeasures]] = defaultdict(list)
    for case in cases:
        by_tenant[case.tenant_id].append(case)
    clients = tuple((tenant, measures.summarise(by_tenant[tenant.id], minutes)) for tenant in told)
    return Measured(period, measures.summarise(cases, minutes), clients, tuple(cases))


def as_json(measured: Measured) -> dict[str, Any]:
    """Return the measures as plain JSON; what was not measured is null."""
    return {
        "period": str(measured.period),
        **_as_json(measured.together),
        "tenants": [
            {"slug": tenant.slug, "name": tenant.name, **_as_json(told)}
            for tenant, told in measured.clients
        ],
    }


def _as_json(told: Measures) -> dict[str, Any]:
    return {
        "cases": told.cases,
        "closed": told.closed,
        "times": {stage: dataclasses.asdict(spread) for stage, spread in told.times.items()},
        "without_escalation": _share(told.without_escalation),
        "verdicts_kept": _share(told.verdicts),
        "plans_agreed": _share(told.plans),
        "opinions_agreed": _share(Share(told.opinions.agreed, told.opinions.given)),
        "opinions_weighted_percent": told.opinions.weighted_percent,
        "opinions_kappa": told.opinions.kappa,
        "evidence_answered": _share(told.evidence),
        "minutes_saved": told.minutes_saved,
        "saved_by": [
            {"playbook": one.playbook, "times": one.times, "minutes_each": one.minutes}
            for one in told.saved
        ],
    }


def _share(share: Share) -> dict[str, int | None]:
    return {"part": share.part, "of": share.of, "percent": share.percent}


def _interval(
    period: Period, tenant: Tenant, until: dt.datetime | None
) -> tuple[dt.datetime, dt.datetime]:
    zone = zone_of(tenant.time_zone)
    end = period.end(zone)
    return period.start(zone), min(end, until) if until is not None else end
