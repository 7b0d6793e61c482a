"""The demo's technicians: two, so that what one asks to undo the other may approve."""

import pytest
from django.contrib.auth import authenticate

from msp.demo import clients
from msp.staff.models import Role, Technician

pytestmark = pytest.mark.django_db


def test_the_demo_has_two_technicians_who_may_approve_with_new_passwords_each_time() -> None:
    before = clients.technicians()
    now = clients.technicians()
    assert list(now) == ["demo", "second"]
    for name, password in now.items():
        assert password != before[name]
        assert authenticate(username=name, password=password) is not None
        assert Technician.objects.get(username=name).has_role(Role.APPROVER)
