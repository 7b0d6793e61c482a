"""Two people who click at the same moment: one decision counts, the other is told."""

import threading

from django.db import connections
from django.test import Client

from playbooks.ladder import client_links
from playbooks.models import Approval
from tenants import scope
from tenants.models import Contact, LedgerEntry
from tests.conftest import new_tenant
from tests.msp.approval.conftest import ask


def test_one_decision_counts(committed_database) -> None:
    asked = ask(new_tenant("acme"))
    with scope.tenant(asked.tenant.id):
        second = client_links.create(
            asked.approval.id, Contact.objects.get(position=2), actor="engine", send=False
        )
    paths = {"approve": asked.path, "reject": f"/approve/{client_links.token(second)}/"}
    ready, answers = threading.Barrier(2), {}

    def decide(decision: str) -> None:
        try:
            ready.wait(timeout=30)
            form = {"decision": decision, "name": "Somebody", "sha256": asked.plan.sha256}
            answers[decision] = Client().post(paths[decision], form).status_code
        finally:
            connections.close_all()

    clicks = [threading.Thread(target=decide, args=(decision,)) for decision in paths]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join(timeout=60)
    assert sorted(answers.values()) == [200, 404]
    [winner] = [decision for decision, status in answers.items() if status == 200]
    with scope.tenant(asked.tenant.id):
        said = Approval.objects.get(id=asked.approval.id).decision
        assert said == {"approve": "approved", "reject": "rejected"}[winner]
        kinds = LedgerEntry.objects.filter(kind__in=("approval.approved", "approval.rejected"))
        assert kinds.count() == 1
