"""What many share does not make one case of a whole client; one computer has one name."""

import datetime as dt
import importlib
import random

import pytest
from django.db import connection
from django.utils import timezone

from playbooks.correlating import joining
from playbooks.correlation import joining as by
from tenants import scope
from tenants.models import Account, AccountIdentifier, Case, CaseEntity, Device, Mailbox, Tenant
from tests.playbooks.cases import make_account
from tests.playbooks.test_triage import ANN, _alert, _arrive, _cases

pytestmark = pytest.mark.django_db
BOB, INFO, BACKUP = "account:bob@acme.example", "mailbox:info@acme.example", "account:svc.backup"


@pytest.mark.parametrize(
    "name",
    ["device:localhost", "device:LOCALHOST.localdomain", "device:unknown", "device:-", "device:",
     "device:n/a", "device:127.0.0.1", "device:::1", "device:0.0.0.0",
     "device:8.8.8.8", "device: ", "account:", "account:unknown", "account:none", "account:null",
     "account:system", "account:nt authority\\system", "account:root", "account:administrator",
     "account:admin", "account:guest", "account:anonymous logon", "account:pc-7$", "account_id:",
     "account_id:00000000-0000-0000-0000-000000000000", "account_id:0", "device_id:entra:",
     "device_id:entra:00000000-0000-0000-0000-000000000000", "device_id:wazuh:unknown",
     "message:", "message:none", "mailbox:-", "incident:0", "incident:null"],
)  # fmt: skip
def test_a_name_that_names_nothing_joins_nothing(in_tenant, name) -> None:
    assert by([name.lower()]) == frozenset()
    _arrive(_alert("a", 0, name.lower()), _alert("b", 0, name.lower()))
    assert _cases() == [{"a"}, {"b"}]


@pytest.mark.parametrize(
    "name", ["account:corp\\administrator", "account:pc-7\\admin", "device:10.0.0.7", "incident:9"]
)
def test_a_name_that_names_one_joins(name) -> None:
    assert by([name]) == {name}


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [("pc-1", "pc-1.acme.local", True), ("PC-1.acme.local.", "pc-1.branch.acme.local", True),
     ("pc-1", "pc-10", False), ("10.0.0.7", "10.0.0.8", False), ("10", "10.0.0.7", False)],
)  # fmt: skip
def test_a_computer_has_one_name_with_and_without_its_domain(in_tenant, one, other, is_one) -> None:
    """One product tells the short name, another the long one."""
    _arrive(_alert("a", 0, f"device:{one.lower()}"))
    _arrive(_alert("b", 1, f"device:{other.lower()}"))
    assert (len(_cases()) == 1) is is_one


def _shared() -> None:
    """What a client's people share, as the directory knows it."""
    make_account("Info@acme.example", kind=Account.Kind.SHARED)
    make_account("svc.backup", kind=Account.Kind.SERVICE)
    Mailbox.objects.create(
        provider="microsoft365", external_id="r", address="Room@acme.example", purpose="room"
    )
    told = {"hostname": "DC1.acme.local", "is_server": True}
    Device.objects.create(
        provider="active_directory", external_id="d", attributes={"is_domain_controller": True},
        **told,
    )  # fmt: skip
    Device.objects.create(
        provider="wazuh", external_id="007", hostname="dc1", attributes={"entra_device_id": "E-1"}
    )
    Device.objects.create(provider="wazuh", external_id="008", hostname="files", is_server=True)


SHARED = [
    INFO, "account:info@acme.example", "account_id:id-of-info@acme.example", BACKUP,
    "mailbox:room@acme.example", "device:dc1", "device:dc1.acme.local", "device_id:wazuh:007",
    "device_id:entra:e-1",
]  # fmt: skip


@pytest.mark.parametrize("shared", SHARED)
def test_what_many_share_joins_no_alerts_that_name_others(in_tenant, shared) -> None:
    _shared()
    _arrive(_alert("a", 0, shared, ANN), _alert("b", 0, shared, BOB))
    _arrive(_alert("c", 1, shared, "message:m1"), _alert("d", 1, ANN))
    assert _cases() == [{"a", "d"}, {"b"}, {"c"}]


@pytest.mark.parametrize("shared", SHARED)
def test_what_many_share_joins_the_alerts_that_are_about_it_alone(in_tenant, shared) -> None:
    """An attack on a shared mailbox or a service account is one case like any other."""
    _shared()
    _arrive(_alert("a", 0, shared, "ip:192.0.2.1"))
    _arrive(_alert("b", 1, shared), _alert("c", 1, shared, ANN))
    _arrive(
        _alert("d", 1, shared, "process_tree:dc1/4711"), _alert("e", 1, shared, f"file:{'a' * 64}")
    )
    assert _cases() == [{"a", "b", "d", "e"}, {"c"}]


def test_a_server_that_is_no_domain_controller_joins_as_any_computer(in_tenant) -> None:
    _shared()
    _arrive(_alert("a", 0, "device:files", ANN), _alert("b", 0, "device_id:wazuh:008", BOB))
    _arrive(_alert("c", 1, "device:files", BOB))
    assert [one for one in _cases() if one] == [{"a", "b", "c"}]


def test_a_client_is_not_one_case_in_whatever_order_alerts_come(in_tenant) -> None:
    _shared()
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    alerts = [
        _alert(f"{who}{n}", n, f"account:{who}@acme.example", random.Random(n).choice(SHARED))
        for who in ("ann", "bob", "cat") for n in range(4)
    ]  # fmt: skip
    random.Random(seed).shuffle(alerts)
    for start in range(0, len(alerts), 5):
        _arrive(*alerts[start : start + 5])
    assert sorted(map(sorted, _cases())) == [[f"{who}{n}" for n in range(4)] for who in
                                             ("ann", "bob", "cat")]  # fmt: skip


def test_what_stays_open_for_long_takes_no_more_alerts(in_tenant) -> None:
    """Else a noisy computer's case would never end."""
    _arrive(_alert("a"))
    Case.objects.update(opened_at=timezone.now() - joining.LONGEST + dt.timedelta(hours=1))
    _arrive(_alert("b", 1))
    Case.objects.update(opened_at=timezone.now() - joining.LONGEST)
    _arrive(_alert("c", 2))
    _arrive(_alert("d", 3))
    assert _cases() == [{"a", "b"}, {"c", "d"}]


def _known_by(account: Account, kind: str, value: str) -> None:
    AccountIdentifier.objects.create(account=account, kind=kind, value=value, is_own=True)


def test_one_persons_account_is_one_whatever_a_product_calls_it(in_tenant) -> None:
    """The cloud tells the address, an endpoint's product the login, a mail filter the mailbox."""
    ann = make_account("ann@acme.example")
    _known_by(ann, "address", "ann@acme.example")
    twin = Account.objects.create(
        provider="active_directory", external_id="g", username="ACME\\ann", person=ann.person
    )
    _known_by(twin, "login", "acme\\ann")
    alerts = [
        _alert("cloud", 0, ANN), _alert("edr", 1, "account:acme\\ann", "device:pc-1"),
        _alert("mail", 2, "mailbox:ann@acme.example"), _alert("other", 2, "account:acme\\bob"),
    ]  # fmt: skip
    for alert in alerts:
        _arrive(alert)
    assert _cases() == [{"cloud", "edr", "mail"}, {"other"}]
    _arrive(_alert("later", 3, "account:acme\\ann"))
    assert _cases()[0] == {"cloud", "edr", "mail", "later"}


def test_a_name_that_two_people_have_makes_them_no_case(in_tenant) -> None:
    """Such as an address that somebody else has now."""
    ann, bob = make_account("ann@acme.example"), make_account("bob@acme.example")
    for one in (ann, bob):
        _known_by(one, "address", "sales@acme.example")
    _known_by(ann, "address", "ann@acme.example")
    _known_by(bob, "address", "bob@acme.example")
    _arrive(_alert("a", 0, ANN), _alert("b", 0, BOB), _alert("c", 0, "account:sales@acme.example"))
    assert _cases() == [{"a"}, {"b"}, {"c"}]


def _as_before(tenant: Tenant, *names: str) -> None:
    """A case of each computer, with the row that it had before an upgrade."""
    with scope.tenant(tenant.id):
        for name in names:
            _arrive(_alert(name, 0, f"device:{name}"))
        CaseEntity.objects.all().delete()
        for case in Case.objects.all():
            CaseEntity.objects.create(tenant=tenant, case=case, entity=case.entities[0])


def test_cases_of_before_computers_had_short_names_still_find_what_belongs_to_them(
    tenant, other_tenant
) -> None:
    """An upgrade gives them the names that are asked for since."""
    long = ["pc-1.acme.local", "pc-2.acme.local.", "10.0.0.7", "fe80::1", "unknown.acme.local"]
    _as_before(tenant, *long, "pc-3")
    _as_before(other_tenant, "pc-9.beta.local")
    with scope.tenant(tenant.id):
        last = Case.objects.latest("number")
        CaseEntity.objects.create(tenant=tenant, case=last, entity="account:a.b")
    migration = importlib.import_module("tenants.migrations.0016_short_names_of_computers")
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(migration.Migration.operations[0].sql)
    with scope.tenant(tenant.id):
        assert sorted(CaseEntity.objects.values_list("entity", flat=True)) == sorted(
            ["account:a.b", *(f"device:{name}" for name in (*long, "pc-1", "pc-2", "pc-3"))]
        )
        before = Case.objects.count()
        _arrive(_alert("later", 1, "device:pc-1"))
        assert Case.objects.count() == before
    with scope.tenant(other_tenant.id):
        told = set(CaseEntity.objects.values_list("entity", flat=True))
        assert told == {"device:pc-9", "device:pc-9.beta.local"}
