"""Every tenant table is under forced row-level security, and it holds for raw SQL too."""

import time
import uuid

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet

from integrations import connections, inbound, registry, signing
from integrations.errors import DeliveryRefused
from integrations.models import Connection
from tenants import ledger, scope
from tenants.models import LedgerEntry, Person, RawRecord, Tenant, TenantModel
from tenants.models.base import TenantManager

# Tables without a tenant's policy, each with the reason.
EXEMPT = {
    "tenants_tenant": "the MSP's own register, from which scopes are chosen",
    "tenants_installation": "settings of the whole installation, no client's data",
    "tenants_work": "ids of due work and no client's data, found before a scope is entered",
    "playbooks_playbookversion": "playbooks are the same for every client",
    "playbooks_msprules": "the MSP's own rules, which every client's are laid on",
    "playbooks_baseline": "what the MSP declared of its own work, the same for every client",
    "integrations_indicator": "what is known of attackers: from outside, the same for every client",
    "integrations_namedthreat": "what a source names, from outside: the same for every client",
    "integrations_warninglist": "what the MSP never looks for: the same for every client",
    "integrations_warningentry": "what the MSP never looks for: the same for every client",
    "integrations_indicatorsource": "the MSP's sources and when they are read: no client's data",
    "integrations_rulesstate": "counts changes of rules, no client's data",
    "integrations_rulepack": "rules that the MSP imported are the same for every client",
    "integrations_packrule": "rules that the MSP imported are the same for every client",
    "integrations_stagedefault": "how far rules may go for all clients",
    "staff_technician": "the MSP's own people",
    "staff_technician_tenants": "which clients a technician may see",
    "staff_technician_groups": "Django's, unused: roles decide",
    "staff_technician_user_permissions": "Django's, unused: roles decide",
    "staff_apikey": "the MSP's own credentials",
}
FRAMEWORK = ("django_", "auth_", "account_", "mfa_")


def _tables() -> dict[str, tuple[bool, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        return {name: (on, forced) for name, on, forced in cursor.fetchall()}


@pytest.mark.django_db
def test_a_scope_asks_for_the_rows_of_its_tenant_as_a_filter_does(tenant) -> None:
    models = [model for model in apps.get_models() if issubclass(model, TenantModel)]
    with scope.tenant(tenant.id):
        for model in models:
            manager = TenantManager()
            manager.model = model
            found, asked = manager.all(), QuerySet(model).filter(tenant_id=tenant.id)
            for more in (QuerySet.all, _by_name, _either):
                assert str(more(found).query) == str(more(asked).query)
    assert len(models) > 40


def _by_name(rows: QuerySet) -> QuerySet:
    return rows.filter(tenant__slug="a").select_related("tenant")


def _either(rows: QuerySet) -> QuerySet:
    return rows.exclude(id=uuid.UUID(int=1)) | rows.filter(id=uuid.UUID(int=2))


@pytest.mark.django_db
def test_every_table_is_protected_or_exempt_with_a_reason() -> None:
    naked = [
        name
        for name, (on, forced) in _tables().items()
        if not (on and forced) and name not in EXEMPT and not name.startswith(FRAMEWORK)
    ]
    assert naked == [], f"no row-level security on: {naked}"
    assert [name for name in EXEMPT if name not in _tables()] == []


@pytest.mark.django_db
def test_every_tenant_model_has_four_policies() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename, count(*) FROM pg_policies GROUP BY tablename")
        policies = dict(cursor.fetchall())
    for model in apps.get_models():
        if issubclass(model, TenantModel):
            assert policies.get(model._meta.db_table) == 4, model._meta.db_table


@pytest.mark.django_db
def test_the_applications_role_owns_nothing_and_cannot_bypass() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles"
            " WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False, False, False, False)
        cursor.execute(
            "SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = current_user"
        )
        assert cursor.fetchone() == (0,)


def _person(tenant: Tenant, name: str) -> Person:
    with scope.tenant(tenant.id):
        return Person.objects.create(display_name=name)


@pytest.mark.django_db
def test_nothing_without_a_scope_nor_from_another_tenant(tenant, other_tenant) -> None:
    mine, theirs = _person(tenant, "Mine"), _person(other_tenant, "Theirs")
    assert _names_by_sql() == []
    with scope.tenant(tenant.id):
        assert _names_by_sql() == ["Mine"]
        with scope.tenant(other_tenant.id):
            assert _names_by_sql() == ["Theirs"]
        assert _names_by_sql() == ["Mine"]
        assert not Person.objects.filter(id=theirs.id).exists()
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE tenants_person SET display_name = 'x' WHERE id = %s", [theirs.id]
            )
            assert cursor.rowcount == 0
            cursor.execute("DELETE FROM tenants_person WHERE id = %s", [theirs.id])
            assert cursor.rowcount == 0
    with scope.reading([tenant.id]):
        assert _names_by_sql() == ["Mine"]
    with scope.reading(scope.ALL):
        assert sorted(_names_by_sql()) == ["Mine", "Theirs"]
        assert Person.objects.filter(id=mine.id).update(display_name="x") == 0


def _names_by_sql() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT display_name FROM tenants_person")
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.django_db
def test_a_row_can_not_be_written_for_another_tenant(tenant, other_tenant) -> None:
    with (
        pytest.raises(DatabaseError, match="row-level security"),
        transaction.atomic(),
        scope.tenant(tenant.id),
    ):
        Person.objects.create(tenant_id=other_tenant.id, display_name="x")


@pytest.mark.django_db
def test_a_failed_scope_leaves_nothing_behind(tenant) -> None:
    with pytest.raises(ZeroDivisionError), scope.tenant(tenant.id):
        raise ZeroDivisionError
    assert scope.current_tenant_id() is None
    assert _names_by_sql() == []


@pytest.mark.django_db
def test_history_can_not_be_rewritten(tenant) -> None:
    with scope.tenant(tenant.id):
        entry = ledger.append("test.entry", actor="test", subject="x")
    for statement in (
        "UPDATE tenants_ledgerentry SET subject = 'y' WHERE id = %s",
        "DELETE FROM tenants_ledgerentry WHERE id = %s",
    ):
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            scope.tenant(tenant.id),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, [entry.id])
    with scope.tenant(tenant.id):
        assert LedgerEntry.objects.get(id=entry.id).subject == "x"


@pytest.mark.django_db
def test_two_sessions_of_the_pool_do_not_share_a_scope(tenant) -> None:
    database = settings.DATABASES["default"]
    with (
        scope.tenant(tenant.id),
        psycopg.connect(
            dbname=database["NAME"],
            user=database["USER"],
            password=database["PASSWORD"],
            host=database["HOST"],
            port=database["PORT"] or None,
        ) as other,
    ):
        found = other.execute("SELECT current_setting('app.tenant', true)").fetchone()
        assert found in ((None,), ("",))
        assert uuid.UUID(str(tenant.id))


def _source(tenant: Tenant, connector: str) -> Connection:
    """A connection of the first pushed feed, with whatever settings and secrets are needed."""
    manifest = registry.connector(connector)
    feed = next(feed.name for feed in manifest.feeds if feed.is_pushed)
    known = {
        "endpoint": "https://8.8.8.8",
        "feed": feed,
        "username": "reader",
        "group": tenant.slug,
    }
    told = {**dict.fromkeys(manifest.settings, ""), **known}
    settings = {name: told[name] for name in manifest.settings if told[name]}
    secrets = {name: "x" for name in manifest.secrets if name != signing.KEY}
    with scope.tenant(tenant.id):
        return connections.create(
            connector=connector, name=connector, settings=settings, secrets=secrets, actor="test"
        )


PUSHED = [one.id for one in registry.CONNECTORS.values() if any(f.is_pushed for f in one.feeds)]


@pytest.mark.django_db
@pytest.mark.parametrize("connector", PUSHED)
def test_a_source_can_send_to_no_other_client(tenant, other_tenant, connector) -> None:
    mine, theirs = _source(tenant, connector), _source(other_tenant, connector)
    body = b'{"anything": 1}'
    with scope.tenant(tenant.id):
        key = inbound.key_of(Connection.in_scope().get(id=mine.id))
    for tenant_id, connection_id in (
        (other_tenant.id, theirs.id), (other_tenant.id, mine.id), (tenant.id, theirs.id),
    ):  # fmt: skip
        signed = signing.headers(key, "msg_1", int(time.time()), body)
        with pytest.raises(DeliveryRefused):
            inbound.take(inbound.Address(tenant_id, connection_id), signed, body)
    with scope.reading(scope.ALL):
        assert not RawRecord.objects.exists()
    signed = signing.headers(key, "msg_1", int(time.time()), body)
    inbound.take(inbound.Address(tenant.id, mine.id), signed, body)
    with scope.reading(scope.ALL):
        assert {row.tenant_id for row in RawRecord.objects.all()} == {tenant.id}
