"""What is gone at the vendor: marked by a reading that got everything, and by no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations import connections, polling, registry
from integrations.connectors.ansible_hosts.asking import Outcome
from integrations.connectors.ansible_hosts.inventory import hosts_of
from integrations.connectors.dns.client import DnsClient, Found
from integrations.errors import Unavailable
from integrations.models import Connection, FeedState
from tenants import directory, scope
from tests.integrations.conformance.subject import Simulated
from tests.integrations.google_workspace.subject import SUBJECT as GOOGLE
from tests.integrations.google_workspace.subject import user
from tests.integrations.microsoft365.subject import SUBJECT as MICROSOFT

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _private(settings) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True


class Reader:
    """Polls the feeds of one connection and shows what the directory holds of them."""

    def __init__(self, tenant: Any, connection: Connection) -> None:
        self.tenant, self.connection = tenant, connection

    def poll(self, name: str, **cursor: Any) -> FeedState:
        """Read a feed to its end; parts of the cursor may be changed before."""
        with scope.tenant(self.tenant.id):
            state, _ = FeedState.objects.get_or_create(connection=self.connection, feed=name)
            state.cursor |= cursor
            state.save()
        polling.poll(self.tenant.id, state.id)
        with scope.tenant(self.tenant.id):
            state.refresh_from_db()
        return state

    def gone(self, kind: str) -> set[str]:
        """What is marked as deleted."""
        with scope.tenant(self.tenant.id):
            rows = directory.rows_of(kind, self.connection.connector)
            return {row.external_id for row in rows if row.deleted_upstream_at}


def reader(tenant, vendor: Simulated, name: str = "the vendor") -> Reader:
    with scope.tenant(tenant.id):
        made = connections.create(
            connector=vendor.manifest.id, name=name, settings=vendor.settings,
            secrets=vendor.secrets, actor="test",
        )  # fmt: skip
    return Reader(tenant, made)


@pytest.fixture
def microsoft(tmp_path) -> Iterator[Simulated]:
    with MICROSOFT.running(tmp_path) as running:
        yield running


def _user(vendor: Simulated, name: str) -> str:
    users = vendor.records("users").values()
    return next(u["id"] for u in users if u["userPrincipalName"].startswith(f"{name}@"))


def test_a_user_whose_deletion_was_missed_is_marked_when_all_are_read_anew(
    tenant, microsoft
) -> None:
    client = reader(tenant, microsoft)
    link = client.poll("users").cursor["link"]
    priya = _user(microsoft, "priya.shah")
    microsoft.act("remove", collection="users", id=priya)
    expired = link.replace("deltatoken=", "deltatoken=%20expired")
    assert client.poll("users", link=expired).error == ""
    assert client.gone("account") == {priya}


def test_a_policy_that_the_licence_no_longer_shows_is_not_deleted(tenant, microsoft) -> None:
    client = reader(tenant, microsoft)
    client.poll("policies")
    [oldest, *_] = microsoft.records("conditionalAccessPolicies")
    microsoft.fault("refuse", path="/conditionalAccess/policies", status=404)
    assert client.poll("policies").error == ""
    assert client.gone("policy") == set()
    microsoft.clear_faults()
    microsoft.act("remove", collection="conditionalAccessPolicies", id=oldest)
    client.poll("policies")
    assert client.gone("policy") == {oldest}


def test_what_a_refused_user_has_stays_while_others_lose_theirs(tenant, microsoft) -> None:
    client = reader(tenant, microsoft)
    client.poll("auth_methods")
    refused, other = _user(microsoft, "anna.berg"), _user(microsoft, "priya.shah")
    lost = {}
    for owner in (refused, other):
        *_, lost[owner] = microsoft.records(f"methods:{owner}")
        microsoft.act("remove", collection=f"methods:{owner}", id=lost[owner])
    microsoft.fault("refuse", path=f"/users/{refused}/", status=403)
    assert client.poll("auth_methods").problem == "permission"
    assert client.gone("auth_method") == {f"{other}/{lost[other]}"}
    microsoft.clear_faults()
    client.poll("auth_methods")
    assert client.gone("auth_method") == {f"{owner}/{lost[owner]}" for owner in lost}


def test_a_reading_with_a_record_that_can_not_be_understood_marks_nothing(
    tenant, microsoft
) -> None:
    client = reader(tenant, microsoft)
    client.poll("groups")
    [group, *_] = microsoft.records("groups")
    told = microsoft.records("groups")[group]
    microsoft.act("remove", collection="groups", id=group)
    microsoft.act("put", collection="groups", record={**told, "id": ""})
    client.poll("groups")
    assert client.gone("group") == set()


def test_what_comes_back_is_there_again(tenant, microsoft) -> None:
    client = reader(tenant, microsoft)
    client.poll("groups")
    [group, *_] = microsoft.records("groups")
    told = microsoft.records("groups")[group]
    microsoft.act("remove", collection="groups", id=group)
    client.poll("groups")
    assert client.gone("group") == {group}
    microsoft.act("put", collection="groups", record=told)
    client.poll("groups")
    assert client.gone("group") == set()


def test_what_another_connection_lists_is_not_gone(tenant, microsoft) -> None:
    one, other = reader(tenant, microsoft), reader(tenant, microsoft, "another")
    one.poll("groups")
    other.poll("groups")
    [group, *_] = microsoft.records("groups")
    microsoft.act("remove", collection="groups", id=group)
    # The other connection was the last to tell of it.
    one.poll("groups")
    assert one.gone("group") == set()
    other.poll("groups")
    assert other.gone("group") == {group}


def test_a_suspended_mailbox_keeps_its_filters(tenant, tmp_path) -> None:
    with GOOGLE.running(tmp_path) as vendor:
        client = reader(tenant, vendor)
        client.poll("mail_settings")
        vendor.act("update_user", user="priya.shah", suspended=True)
        gone = next(iter(vendor.records(f"filters:{user(vendor, 'anna.berg')['id']}")))
        owner = user(vendor, "anna.berg")["id"]
        vendor.act("remove", collection=f"filters:{owner}", id=gone)
        client.poll("mail_settings")
        assert client.gone("inbox_rule") == {f"{owner}/{gone}"}
        assert client.gone("mailbox") == set()


class Hosts:
    """Hosts of which some don't answer."""

    at_once = 1

    def __init__(self, names: str, silent: str = "") -> None:
        self.hosts = hosts_of("\n".join(f"{name} 10.0.0.1" for name in names.split()))
        self.silent = silent.split()

    def look(self, hosts: Any, **_: Any) -> Outcome:
        lacking = "Inst openssl [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])"
        off = {h.name: Unavailable("off") for h in hosts if h.name in self.silent}
        said = {h.name: {"state": [lacking]} for h in hosts if h.name not in self.silent}
        return Outcome(said, off)


def of_settings(tenant, connector: str, monkeypatch) -> tuple[Reader, Any]:
    """A connection whose client is what is put in the second."""
    held: dict[str, Any] = {}
    monkeypatch.setattr(polling.connections, "client_of", lambda _: held["client"])
    with scope.tenant(tenant.id):
        made = Connection.objects.create(connector=connector, name=connector, settings={})
    return Reader(tenant, made), held


def test_hosts_and_their_updates_go_with_the_setting_and_stay_while_a_host_is_off(
    tenant, monkeypatch
) -> None:
    client, held = of_settings(tenant, "ansible_hosts", monkeypatch)
    held["client"] = Hosts("a b c")
    for name in ("hosts", "updates"):
        client.poll(name)
    held["client"] = Hosts("a b", silent="a")
    for name in ("hosts", "updates"):
        client.poll(name)
    assert client.gone("device") == {"c"}
    assert client.gone("patch") == {"c:openssl"}


def test_a_domain_goes_with_the_setting(tenant, monkeypatch) -> None:
    client, held = of_settings(tenant, "dns", monkeypatch)
    monkeypatch.setattr(DnsClient, "ask", lambda self, name, kind, **_: Found("empty"))
    for domains in ("a.example, b.example", "b.example"):
        settings = {"domains": domains, "resolver": "192.0.2.1"}
        held["client"] = registry.connector("dns").connect(settings, {}, allow_private=True)
        client.poll("domains")
    assert client.gone("domain") == {"a.example"}
