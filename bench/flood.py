"""A flood of alerts from one client, and one alert each of a few others in the middle of it.

Everything is done as the workers do it, by one worker and in the order of the messages: intake,
triage, cases, investigations. Three of four alerts are about one account, the rest about many.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from django.conf import settings
from django.utils import timezone

from msp.pipeline import STAGES
from playbooks.cases import looking
from tenants import intake, scope, work
from tenants.models import Account, Case, Finding, Tenant, Work
from tenants.records import Finding as NormalisedFinding
from tenants.records import SourceRecord

_PAGE = 500
_MOST_MEGABYTES = 400
# As it is where nothing is killed: one worker has nobody who takes over.
_LEASE_SECONDS = 30.0


def main(arguments: list[str]) -> int:
    """Measure it, and print a line of JSON; return 1 where something was lost or held up."""
    parser = argparse.ArgumentParser(prog="python -m bench flood", description=__doc__)
    parser.add_argument("--alerts", type=int, default=100_000)
    parser.add_argument("--accounts", type=int, default=2_000)
    options = parser.parse_args(arguments)
    settings.WORK_LEASE_SECONDS = _LEASE_SECONDS
    told = run(options.alerts, options.accounts)
    print(json.dumps(told, indent=2))
    is_well = not told["lost"] and told["others_waited_messages"] <= 2 * looking.AT_ONCE
    return 0 if is_well and told["grew_by_megabytes"] <= _MOST_MEGABYTES else 1


def run(alerts: int, accounts: int, others: int = 3) -> dict[str, float]:
    """Let the flood come, and do all that follows; return what it took.

    `accounts`: how many a quarter of the alerts are about.
    """
    began, before = time.perf_counter(), _megabytes()
    queue: deque[uuid.UUID] = deque()
    work.on_send(lambda work_id, kind: queue.append(work_id))
    flooded = _client("flooded", ["ann", *(f"user-{number}" for number in range(accounts))])
    beside = [_client(f"beside-{number}", ["ann"]) for number in range(others)]
    pages = list(range(0, alerts, _PAGE))
    for first in pages:
        _take(flooded, _flood(first, min(first + _PAGE, alerts), accounts))
    taken = time.perf_counter() - began
    # Some of the flood is in cases by then, and on its way.
    _do(queue, at_most=looking.AT_ONCE)
    came = time.perf_counter()
    for one in beside:
        _take(one, [_alert("one", "ann")])
    waited = _do(queue, until=lambda: all(map(_is_decided, beside)))
    others_waited = time.perf_counter() - came
    done = waited + _do_all(queue, flooded)
    with scope.tenant(flooded.id):
        kept = Finding.objects.exclude(case=None).count()
        undecided = Case.objects.filter(status=Case.Status.NEW).count()
        cases = Case.objects.count()
    return {
        "alerts": alerts, "cases": cases, "lost": alerts - kept + undecided, "messages": done,
        "seconds_to_take_in": round(taken, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "others_waited_seconds": round(others_waited, 2), "others_waited_messages": waited,
        "grew_by_megabytes": _megabytes() - before,
    }  # fmt: skip


def _client(slug: str, users: Sequence[str]) -> Tenant:
    tenant = Tenant.objects.create(
        slug=slug, name=slug.title(), time_zone="UTC", playbook_mode="automatic"
    )
    with scope.tenant(tenant.id):
        Account.objects.bulk_create(
            Account(
                tenant_id=tenant.id, provider="microsoft365", external_id=user,
                username=f"{user}@{slug}.example",
            )
            for user in users
        )  # fmt: skip
    return tenant


def _flood(first: int, end: int, accounts: int) -> Iterator[NormalisedFinding]:
    for number in range(first, end):
        yield _alert(str(number), f"user-{number // 4 % accounts}" if number % 4 == 0 else "ann")


def _alert(uid: str, user: str) -> NormalisedFinding:
    at = timezone.now() - dt.timedelta(minutes=1)
    return NormalisedFinding(
        uid=uid, class_uid=2004, title="Suspicious inbox manipulation rule",
        category="Persistence", techniques=("T1564.008",), time=at, severity_id=3,
        first_activity_at=at, last_activity_at=at, ocsf={"unmapped": {"rule": "x" * 500}},
        entities=(f"account_id:{user}", f"file:{uuid.uuid4().hex}", "ip:198.51.100.7"),
    )  # fmt: skip


def _take(tenant: Tenant, alerts: Iterable[NormalisedFinding]) -> None:
    told = {alert.uid: alert for alert in alerts}
    with scope.tenant(tenant.id):
        intake.take(
            connector="microsoft365", feed="alerts",
            records=[SourceRecord({"id": uid}) for uid in told],
            normalise=lambda record: told[record.body["id"]],
        )  # fmt: skip


def _do(
    queue: deque[uuid.UUID], *, until: Callable[[], bool] = lambda: False, at_most: int = 10**9
) -> int:
    """Do what the messages say, in their order; return how many there were."""
    done = 0
    while done < at_most and not until():
        if not queue:
            queue.extend(row.id for row in work.unsent())
        if not queue:
            break
        work.perform(queue.popleft(), STAGES)
        done += 1
    return done


def _do_all(queue: deque[uuid.UUID], tenant: Tenant) -> int:
    """Do all there is, also what was put off for a while; return how many messages it took."""
    done = _do(queue)
    while rows := list(_put_off(tenant)):
        Work.objects.filter(id__in=rows).update(due_at=timezone.now(), sent_at=None)
        done += _do(queue)
    return done


def _put_off(tenant: Tenant) -> Iterable[uuid.UUID]:
    kinds = ("triage", "backlog", "investigate", "respond")
    return Work.objects.filter(tenant=tenant, kind__in=kinds).values_list("id", flat=True)


def _is_decided(tenant: Tenant) -> bool:
    with scope.tenant(tenant.id):
        return Case.objects.exclude(decided_at=None).exists()


def _megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
