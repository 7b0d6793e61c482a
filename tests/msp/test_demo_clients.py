"""The demo's technicians: two, so that what one asks to undo the other may approve."""

import pytest
from django.contrib.auth import authenticate

from msp.demo import clients
from msp.staff.models import Role, Technician
from tenants import scope
from tenants.models import Account

pytestmark = pytest.mark.django_db


def test_the_demo_has_two_technicians_who_may_approve_with_new_passwords_each_time() -> None:
    before = clients.technicians()
    now = clients.technicians()
    assert list(now) == ["demo", "second"]
    for name, password in now.items():
        assert password != before[name]
        assert authenticate(username=name, password=password) is not None
        assert Technician.objects.get(username=name).has_role(Role.APPROVER)


def test_special_accounts_are_named_once_and_asked_for_cheaply(
    tenant, other_tenant, make_tenant, django_assert_max_num_queries
) -> None:
    clients_of_demo = [tenant, other_tenant]
    for one in [*clients_of_demo, make_tenant("not-of-the-demo")]:
        with scope.tenant(one.id):
            for username in ("emergency.access@x.example", "svc.backup@x.example", "ann@x.example"):
                Account.objects.create(
                    provider="microsoft365", external_id=f"{one.slug} {username}", username=username
                )
    clients.name_special_accounts(clients_of_demo)
    with scope.reading(scope.ALL):
        named = set(
            Account.objects.filter(is_break_glass=True).values_list("tenant_id", "username")
        )
        services = Account.objects.filter(kind=Account.Kind.SERVICE, kind_set_by=clients.ACTOR)
        assert named == {(one.id, "emergency.access@x.example") for one in clients_of_demo}
        assert set(services.values_list("tenant_id", "username")) == {
            (one.id, "svc.backup@x.example") for one in clients_of_demo
        }
    with django_assert_max_num_queries(5):
        clients.name_special_accounts(clients_of_demo)
