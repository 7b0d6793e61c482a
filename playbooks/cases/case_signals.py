"""What a case's risk is worked out from, read with a few queries however many alerts it has."""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Case as Choice
from django.db.models import Count, IntegerField, Max, Q, QuerySet, Value, When
from django.utils import timezone

from integrations.intelligence import holes, markings, matching
from integrations.models import Indicator
from integrations.ocsf import INCIDENT_FINDING
from playbooks.cases import case_devices, device_criticality, exposure
from playbooks.cases.risk import Devices, History, Signals, points_of
from playbooks.cases.risk_table import in_force
from playbooks.correlation import joining
from tenants.models import HARMLESS, Case, CaseEntity, Finding, Severity, Verdict

_DEVICES = ("device:", "device_id:")
_INDICATOR = "indicator:"


@dataclass(frozen=True, slots=True)
class Told:
    """What a case's alerts tell: the gravest of them, and what its risk is worked out from."""

    worst: Finding
    signals: Signals


@dataclass(frozen=True, slots=True)
class Known:
    """The values of indicators that a case names, in order.

    `told` leaves out what is for the MSP's own eyes: the reason of a risk is kept for good.
    """

    names: tuple[str, ...]
    told: tuple[str, ...]


def of_cases(cases: Collection[Case]) -> dict[uuid.UUID, Told]:
    """Return what the alerts of cases tell, by the case's id; with the same few queries for all.

    A case without alerts, which can be left where they were moved to another, is told nothing of.
    """
    ids = [case.id for case in cases]
    worst = {row.case_id: row for row in _worst(ids)}
    counted = Finding.in_scope().filter(case__in=ids).order_by().values_list("case").annotate(
        kinds=Count("title", distinct=True), sure=Max("confidence"),
        severities=ArrayAgg("severity_id", distinct=True),
    )  # fmt: skip
    by_case = {case_id: told for case_id, *told in counted}
    lookup = matching.Lookup({entity for case in cases for entity in case.entities})
    return {
        case.id: Told(worst[case.id], _signals(case, worst[case.id], lookup, *by_case[case.id]))
        for case in cases
        if case.id in worst
    }


def _worst(ids: Collection[uuid.UUID]) -> QuerySet[Finding]:
    """Return the alert of each case with the gravest severity.

    Of equal ones that which joins others, as a vendor's incident does, and tells most; then the
    first.
    """
    # OCSF's 99 is "other", and no severity.
    gravity = Choice(
        When(severity_id=Severity.OTHER, then=Value(0)),
        default="severity_id",
        output_field=IntegerField(),
    )
    joins = Choice(When(class_uid=INCIDENT_FINDING, then=Value(1)), default=Value(0))
    rows = Finding.in_scope().filter(case__in=ids).defer("ocsf", "description")
    rows = rows.annotate(gravity=gravity, joins=joins)
    return rows.order_by("case_id", "-gravity", "-joins", "time", "id").distinct("case_id")


def _signals(
    case: Case,
    worst: Finding,
    lookup: matching.Lookup,
    kinds: int,
    sure: int | None,
    severities: Sequence[int],
) -> Signals:
    gravest, title = max(severities, key=points_of), worst.title
    if gravest != worst.severity_id:
        first = case.findings.filter(severity_id=gravest).order_by("time", "id")
        title = first.values_list("title", flat=True)[0]
    known = surely_known(lookup.met_by(case.entities))
    return Signals(
        worst_title=title,
        severity_id=gravest,
        kinds=kinds,
        confidence=sure or 0,
        indicators=called_bad(case.entities) + len(known.names),
        known=known.names,
        told=known.told,
    )


def called_bad(entities: Iterable[str]) -> int:
    """Return how many things the alerts of a case themselves call bad."""
    return sum(one.startswith(_INDICATOR) for one in entities)


def surely_known(met: Iterable[Indicator]) -> Known:
    """Return what our own intelligence is still sure of."""
    now = timezone.now()
    # A hole that is used is of a device, and counts as its exposure.
    sure = [
        one
        for one in met
        if not one.entity.startswith("cve:") and matching.sure(one, now) >= matching.SURE
    ]
    return Known(_names(sure), _names(one for one in sure if one.tlp not in markings.OWN_EYES))


def _names(indicators: Iterable[Indicator]) -> tuple[str, ...]:
    return tuple(sorted({one.entity.partition(":")[2] for one in indicators}))


def devices(case: Case) -> Devices:
    """Return what makes the case's devices more worth looking at, or easier to attack."""
    named = {one for one in case.entities if one.startswith(_DEVICES)}
    if not named:
        return Devices()
    found = case_devices.of_case(case)
    for row in (row for one in found for row in one.rows):
        named.add(f"device_id:{row.provider}:{row.external_id}".lower())
        if row.hostname:
            named.add(f"device:{row.hostname}".lower())
    levels = [(one, device_criticality.of_device(one.rows)) for one in found]
    return Devices(
        servers=[
            str(one)
            for one, told in levels
            # A technician's word on a server that little hangs on stands above what it is.
            if any(row.is_server for row in one.rows) and not (told.by_hand and told.level <= 2)
        ],
        critical=[
            (told.level, f"{one} is of criticality {told.level} of 4: {told.why}")
            for one, told in levels
            if told.level
        ],
        holes=[f"{computer} ({cve})" for computer, cve in holes.on_devices(named)],
        exposed=[f"{one} ({told})" for one in found if (told := exposure.why(one.rows))],
    )


def history(case: Case) -> History:
    """Return what became lately of other cases of the same person or device.

    What was harmless counts where an alert of the same title was.
    """
    since = timezone.now() - dt.timedelta(days=in_force().of("recent_history", "days"))
    same = _same(case)
    if same is None:
        return History()
    before = Case.objects.filter(
        same, kind=Case.Kind.INCIDENT, status=Case.Status.CLOSED, merged_into=None,
        closed_at__gte=since,
    ).exclude(id=case.id)  # fmt: skip
    return History(
        **before.order_by().aggregate(
            true_positives=Count("id", filter=Q(verdict=Verdict.TRUE_POSITIVE)),
            harmless=Count("id", filter=Q(verdict__in=HARMLESS, title=case.title)),
        )
    )


def _same(case: Case) -> Q | None:
    devices = [one for one in case.entities if one.startswith(_DEVICES)]
    found = None
    if case.account is not None:
        person = case.account.person_id
        found = Q(account__person=person) if person else Q(account=case.account_id)
    if devices:
        having = Q(id__in=CaseEntity.objects.filter(entity__in=joining(devices)).values("case"))
        found = found | having if found is not None else having
    return found
