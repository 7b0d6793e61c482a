"""What has to hold when the storm is over: every run ended, every effect was had once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from playbooks.models import Run, Step
from playbooks.plans.steps import FINISHED, changed_nothing
from tenants import ledger, scope
from tenants.models import Tenant

# What the simulator's log calls the effect of an action.
EFFECTS = {
    "identity.disable_sign_in": "user.disable",
    "identity.enable_sign_in": "user.enable",
    "identity.reset_password": "user.reset_password",
    "identity.revoke_sessions": "user.revoke_sessions",
    "identity.remove_auth_method": "auth_method.delete",
    "identity.restore_auth_method": "auth_method.add",
    "mailbox.disable_inbox_rule": "rule.update",
    "mailbox.enable_inbox_rule": "rule.update",
    "mailbox.delete_inbox_rule": "rule.delete",
    "mailbox.restore_inbox_rule": "rule.add",
    "mailbox.remove_forwarding": "mailbox.set_forwarding",
    "mailbox.restore_forwarding": "mailbox.set_forwarding",
    "endpoint.isolate": "host.contain",
    "endpoint.release": "host.lift_containment",
    "endpoint.scan": "host.scan",
    "indicator.block": "indicator.create",
    "indicator.unblock": "indicator.delete",
}
# What reading a feed needs is no step's: Microsoft's audit records are subscribed to.
_OF_FEEDS = ("activity.subscribe",)
# The others are at the case's account, whatever of it they change.
_AT_THEIR_TARGET = ("device", "indicator")
_DONE = (Step.Status.VERIFIED, Step.Status.ROLLED_BACK)
_OPEN = (Step.Status.FAILED, Step.Status.UNKNOWN)


@dataclass(frozen=True)
class Told:
    """One step as the rows tell it; `at`: whose change it is in the vendor's log."""

    tenant: str
    at: str
    key: str
    action: str
    status: str
    error: str
    calls: int
    changed_nothing: bool = False


def problems(effects: Iterable[tuple[str, str]]) -> list[str]:
    """Return what does not hold, in words; `effects` are those of the simulator's log."""
    with scope.reading(scope.ALL):
        steps = [
            Told(
                tenant, target if kind in _AT_THEIR_TARGET else account, *row,
                changed_nothing=changed_nothing(row[-1], answer),
            )
            for tenant, account, kind, target, answer, *row in Step.objects.values_list(
                "tenant__slug", "run__plan__case__account__external_id", "target_kind",
                "target_external_id", "answer", "key", "action", "status", "error", "calls",
            )
        ]  # fmt: skip
        runs = list(Run.objects.values_list("tenant__slug", "status", "note", "finished_at"))
    return [
        *_runs_not_ended(runs),
        *_steps_not_ended(steps),
        *wrong_effects(steps, effects),
        *_broken_ledgers(),
    ]


def _runs_not_ended(runs: Iterable[tuple[str, str, str, object]]) -> list[str]:
    return [
        f"{tenant}: a run is {status}: {note}" for tenant, status, note, at in runs if at is None
    ]


def _steps_not_ended(steps: Iterable[Told]) -> list[str]:
    found = []
    for step in steps:
        if step.status not in FINISHED:
            found.append(f"{step.tenant}: {step.key} is {step.status}: {step.error}")
        elif step.status not in (*_DONE, Step.Status.FORBIDDEN) and not step.error:
            found.append(f"{step.tenant}: {step.key} is {step.status} without a reason")
        elif step.action not in EFFECTS:
            found.append(f"{step.tenant}: bench/verdict.py names no effect of {step.action}")
    return found


def wrong_effects(steps: Iterable[Told], effects: Iterable[tuple[str, str]]) -> list[str]:
    """Return where the vendor saw more or fewer effects than the steps tell of."""
    seen = Counter(
        (kind, target.split("/")[0]) for kind, target in effects if kind not in _OF_FEEDS
    )
    must: Counter[tuple[str, str]] = Counter()
    may: Counter[tuple[str, str]] = Counter()
    for step in steps:
        if step.changed_nothing:
            continue
        pair = (EFFECTS.get(step.action, step.action), step.at)
        must[pair] += step.status in _DONE
        # A call whose step failed may have worked: nobody says that it did.
        may[pair] += step.status in _DONE or (step.status in _OPEN and step.calls > 0)
    return [
        f"{kind} of {at}: {seen[kind, at]} effects for {must[kind, at]} steps"
        for kind, at in sorted(must.keys() | seen.keys())
        if not must[kind, at] <= seen[kind, at] <= may[kind, at]
    ]


def _broken_ledgers() -> list[str]:
    found = []
    for tenant in Tenant.objects.all():
        with scope.tenant(tenant.id):
            while ledger.seal():
                pass
            if not (checked := ledger.verify()).is_ok:
                found.append(f"{tenant.slug}: the ledger does not verify: {checked}")
    return found
