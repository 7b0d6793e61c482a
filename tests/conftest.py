"""A real PostgreSQL for the tests, with the product's two roles.

The schema is made by the owner role; tests run as the application's role, which owns nothing and
can't bypass row-level security. Tests that start processes use `committed_database`.
"""

import gc
import os
import signal
import uuid
from collections.abc import Callable, Generator, Iterator

import hypothesis
import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings

from msp.appliance import postgres
from msp.apps import send_hint
from tenants import scope, work
from tenants.models import Tenant
from tests import database, memory
from tests.examples import examples

memory.use()
# A script that starts the tests in the background makes them deaf to it, and all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes tells of the machine, not of what is tested.
hypothesis.settings.register_profile(
    "holdfast", deadline=None, print_blob=True, max_examples=examples(100),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)  # fmt: skip
hypothesis.settings.load_profile("holdfast")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among what stays for the whole run: it took a quarter of collecting."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what hypothesis makes up examples for, so that `make fuzz` finds it.

    What takes longest begins first, so that no worker is left with it when the others are done.
    """
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("fuzz")
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker) -> Iterator[None]:
    """Make a fresh test database as the owner, migrated, and point both aliases at it."""
    name = f"{database.TEST_DATABASE}_{os.getpid()}"
    with postgres.embedded().running() as cluster, django_db_blocker.unblock():
        database.make(cluster, name)
        yield
        database.drop(cluster, name)


@pytest.fixture(scope="session", autouse=True)
def _fast_passwords() -> Iterator[None]:
    """Hash passwords quickly: many technicians are made, and nobody tries to guess theirs."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(autouse=True)
def _no_messages() -> Iterator[None]:
    """Tests in one process do the work themselves; see `tests.pipeline.drain`."""
    work.on_send(lambda work_id, kind: None)
    yield
    work.on_send(send_hint)


@pytest.fixture
def owner_connection(django_db_setup) -> Iterator[psycopg.Connection]:
    """A connection as the owner role: for tampering, and for what the application may not do."""
    own = settings.DATABASES["owner"]
    with psycopg.connect(
        dbname=own["NAME"],
        user=own["USER"],
        password=own["PASSWORD"],
        host=own["HOST"],
        port=own["PORT"] or None,
        autocommit=True,
    ) as connection:
        yield connection


@pytest.fixture
def committed_database(django_db_setup, django_db_blocker) -> Iterator[None]:
    """Let a test commit, so that other processes see its rows; emptied afterwards."""
    with django_db_blocker.unblock():
        yield
        connections["default"].close()
        connections["default"].close_pool()
        database.empty(settings.DATABASES["owner"]["NAME"])


def new_tenant(slug: str, **fields: object) -> Tenant:
    """Register a tenant."""
    return Tenant.objects.create(
        slug=slug,
        name=slug.replace("-", " ").title(),
        **{"time_zone": "UTC", "playbook_mode": "automatic", **fields},
    )


@pytest.fixture
def make_tenant() -> Callable[..., Tenant]:
    """Registers tenants by slug, for tests that choose their own database fixture."""
    return new_tenant


@pytest.fixture
def tenant(db) -> Tenant:
    """A tenant."""
    return new_tenant(f"acme-{uuid.uuid4().hex[:6]}")


@pytest.fixture
def other_tenant(db) -> Tenant:
    """Another client of the same MSP, whose rows must never show."""
    return new_tenant(f"beta-{uuid.uuid4().hex[:6]}")


@pytest.fixture
def in_tenant(tenant: Tenant) -> Iterator[Tenant]:
    """Run the test inside the tenant's scope."""
    with scope.tenant(tenant.id):
        yield tenant
