"""Two who change at the same moment how far a playbook may go: the second sees the first."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections

from playbooks import approvals
from playbooks.adoption import activation, agreement
from playbooks.errors import PlaybookError
from playbooks.models import Plan
from tenants import scope
from tenants.models import Tenant
from tests.conftest import new_tenant
from tests.playbooks.cases import CONTAIN, make_account, make_case, make_plan

pytestmark = pytest.mark.usefixtures("committed_database")
ANN, BOB = "technician:ann", "technician:bob"


def _decide(plan: Plan, *, approve: bool) -> None:
    approval = plan.approvals.get()
    approvals.decide(approval.id, approve=approve, actor=BOB, sha256=plan.sha256)


def _promote() -> None:
    agreement.promote(CONTAIN, actor=ANN)


@pytest.fixture
def tenant() -> Tenant:
    """A client with nine approvals in ten, which is just enough to become automatic."""
    made = new_tenant("acme")
    with scope.tenant(made.id):
        for number in range(10):
            _decide(make_plan(make_case(make_account(f"p{number}@x.example"))), approve=number > 0)
        activation.set_mode(CONTAIN, "approve", actor=ANN)
    return made


@pytest.fixture
def last(tenant: Tenant) -> Plan:
    """A plan that is about to be rejected."""
    with scope.tenant(tenant.id):
        return make_plan(make_case(make_account("last@x.example")))


class _Meanwhile:
    """Somebody else, who begins while a transaction of ours is open."""

    def __init__(self, tenant: Tenant, does: Callable[[], Any]) -> None:
        self.error: Exception | None = None
        self._tenant, self._does = tenant, does
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        while self._thread.is_alive() and not self._waits():
            self._thread.join(0.02)

    def _run(self) -> None:
        try:
            with scope.tenant(self._tenant.id):
                self._does()
        except PlaybookError as error:
            self.error = error
        finally:
            connections.close_all()

    def _waits(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
            return cursor.fetchone() is not None

    def ends(self) -> Exception | None:
        """Wait until they are ready, and return what was refused."""
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.error


def _mode(tenant: Tenant) -> str:
    """Return the mode, which must be one that practice allows."""
    with scope.tenant(tenant.id):
        held = activation.in_force(CONTAIN)
        assert not agreement.why_not(held.mode, agreement.measure(held.version_sha256))
        return held.mode


def test_an_override_while_a_playbook_is_promoted_lowers_it_again(tenant, last) -> None:
    with scope.tenant(tenant.id):
        _promote()
        assert activation.in_force(CONTAIN).mode == "automatic"
        override = _Meanwhile(tenant, lambda: _decide(last, approve=False))
    assert override.ends() is None
    assert _mode(tenant) == "approve"


def test_a_promotion_while_a_plan_is_overridden_is_refused(tenant, last) -> None:
    with scope.tenant(tenant.id):
        _decide(last, approve=False)
        promotion = _Meanwhile(tenant, _promote)
    assert "90 % agreement; it is 81 %" in str(promotion.ends())
    assert _mode(tenant) == "approve"
