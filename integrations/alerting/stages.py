"""How far each rule may go: off, test, shadow or live; for all clients, and for one.

test: runs only where somebody tries it. shadow: its hits are kept and counted, nobody is told.
live: its hits become findings. Who changed it, when and why stands in rows that are never changed,
and in the ledger of each client that it concerns.
"""

import uuid
from collections.abc import Collection, Mapping
from typing import Final

from django.utils import timezone

from integrations.alerting import rulebook
from integrations.alerting.rows import RuleStage, Stage, StageDefault
from integrations.alerting.rulebook import Entry
from integrations.errors import DetectionError
from tenants import ledger, scope
from tenants.models import Tenant

# What a new installation hears of: less than this would drown it before anybody has looked.
_LIVE_FROM: Final = ("medium", "high", "critical")
RUNNING: Final = (Stage.SHADOW, Stage.LIVE)
_LONGEST_WHY: Final = 500


def beginning(entry: Entry) -> Stage:
    """Return the stage that a rule has until somebody decides: an imported one is in shadow."""
    return Stage.LIVE if entry.is_own and entry.level in _LIVE_FROM else Stage.SHADOW


def defaults() -> dict[str, Stage]:
    """Return the stages that were set for all clients, by the rule's id."""
    rows = StageDefault.objects.order_by("at", "id").values_list("rule_id", "stage")
    return {rule_id: Stage(stage) for rule_id, stage in dict(rows).items() if stage}


def own() -> dict[str, Stage]:
    """Return the stages that the scope's tenant has of its own, by the rule's id."""
    rows = RuleStage.in_scope().filter(tenant_id=scope.require_tenant_id())
    newest = dict(rows.order_by("at", "id").values_list("rule_id", "stage"))
    return {rule_id: Stage(stage) for rule_id, stage in newest.items() if stage}


def own_of(tenant_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[str, Stage]]:
    """Return what `own` says of several tenants, in a scope that reads them."""
    rows = RuleStage.in_scope().filter(tenant_id__in=tenant_ids).order_by("at", "id")
    newest = {
        (tenant_id, rule_id): stage
        for tenant_id, rule_id, stage in rows.values_list("tenant_id", "rule_id", "stage")
    }
    found: dict[uuid.UUID, dict[str, Stage]] = {tenant_id: {} for tenant_id in tenant_ids}
    for (tenant_id, rule_id), stage in newest.items():
        if stage:
            found[tenant_id][rule_id] = Stage(stage)
    return found


def of(entry: Entry, for_all: Mapping[str, Stage], of_tenant: Mapping[str, Stage]) -> Stage:
    """Return a rule's stage: the tenant's own, else that for all clients, else its beginning."""
    return of_tenant.get(entry.id) or for_all.get(entry.id) or beginning(entry)


def set_for_tenant(rule_id: str, stage: str, *, actor: str, why: str) -> RuleStage:
    """Set how far a rule may go for the scope's tenant; an empty stage: as for all clients.

    DetectionError where there is no such rule or stage, or no reason is given.
    """
    entry = _checked(rule_id, stage, why)
    was = of(entry, defaults(), own())
    row = RuleStage.objects.create(
        rule_id=rule_id, stage=stage, actor=actor, why=why.strip(), at=timezone.now()
    )
    _note(entry, was, of(entry, defaults(), own()), actor, why, for_all=False)
    return row


def set_for_all(rule_id: str, stage: str, *, actor: str, why: str) -> StageDefault:
    """Set how far a rule may go for all clients with no stage of their own.

    Stands in every client's ledger. Runs outside every tenant's scope, in a transaction.
    DetectionError as for `set_for_tenant`.
    """
    entry = _checked(rule_id, stage, why)
    before = defaults()
    row = StageDefault.objects.create(
        rule_id=rule_id, stage=stage, actor=actor, why=why.strip(), at=timezone.now()
    )
    now = defaults()
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        with scope.tenant(tenant_id):
            has = own()
            _note(entry, of(entry, before, has), of(entry, now, has), actor, why, for_all=True)
    return row


def _checked(rule_id: str, stage: str, why: str) -> Entry:
    entry = rulebook.current().entries.get(rule_id)
    if entry is None:
        raise DetectionError(f"There is no rule {rule_id!r}: see manage.py detections list.")
    if stage and stage not in Stage.values:
        raise DetectionError(f"A stage is one of {', '.join(Stage.values)}, not {stage!r}.")
    if not why.strip():
        raise DetectionError("Say why: whoever looks at the rule next wants to know.")
    if len(why.strip()) > _LONGEST_WHY:
        raise DetectionError(f"Say why in at most {_LONGEST_WHY} characters.")
    return entry


def _note(entry: Entry, was: Stage, now: Stage, actor: str, why: str, *, for_all: bool) -> None:
    ledger.append(
        "detection.stage",
        actor=actor,
        subject=f"{entry.title}: {now.value}",
        body={
            "rule": entry.id,
            "stage": now.value,
            "stage_before": was.value,
            "for_all": for_all,
            "reason": why.strip(),
        },
    )
