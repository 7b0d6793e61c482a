"""Two clients never read the same organisation, and a connection never changes it unasked."""

import dataclasses
import datetime as dt
import importlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from integrations import checking, connections, organisations, polling, registry
from integrations.contract import Page
from integrations.errors import OrganisationChanged, OrganisationTaken, PermissionMissing
from integrations.models import Connection, FeedState
from integrations.simulators.sentinelone.seeds import ACCOUNT
from tenants import intake, scope, work
from tenants.models import Account, Device, LedgerEntry, Tenant, Work
from tenants.records import DirectoryItem, SourceRecord

Settings = Mapping[str, str]
_ENTRA = (
    {"tenant_id": "AAAA-1", "client_id": "app-1"},
    {"tenant_id": "aaaa-1 ", "client_id": "app-2"},
    {"tenant_id": "bbbb-2", "client_id": "app-1"},
)
_WORKSPACE = {
    "client_id": "c",
    "subscription_id": "s",
    "resource_group": "g",
    "workspace_name": "w",
}
_QUERIES = {"sources_query": "sources", "sources_fields": "name=name last=last"}
# For each connector one organisation, the same in other words, and another one.
ORGANISATIONS: dict[str, tuple[Settings, Settings, Settings]] = {
    "microsoft365": _ENTRA,
    "intune": _ENTRA,
    "defender_endpoint": _ENTRA,
    "google_workspace": (
        {"admin": "ann@acme.example"}, {"admin": "Bob@ACME.example"}, {"admin": "ann@b.example"},
    ),
    "crowdstrike": (
        {"client_id": "a" * 32},
        {"client_id": "A" * 32, "endpoint": "https://api.eu-1.crowdstrike.com"},
        {"client_id": "b" * 32},
    ),
    "sentinelone": (
        {"endpoint": "https://x.sentinelone.net", "site_id": "7"},
        {"endpoint": "https://X.sentinelone.net:443/", "site_id": "7"},
        {"endpoint": "https://x.sentinelone.net", "site_id": "8"},
    ),
    "wazuh": (
        {"endpoint": "https://w.example:55000", "username": "a", "group": "acme"},
        {"endpoint": "https://w.example:55000/", "username": "b", "group": "Acme"},
        {"endpoint": "https://w.example:55000", "username": "a", "group": "bolt"},
    ),
    "ninjaone": (
        {"endpoint": "https://eu.ninjarmm.com", "organization_id": "3", "client_id": "one"},
        {"endpoint": "https://eu.ninjarmm.com/", "organization_id": "3", "client_id": "two"},
        {"endpoint": "https://eu.ninjarmm.com", "organization_id": "4", "client_id": "one"},
    ),
    "tactical_rmm": (
        {"endpoint": "https://api.example.com", "client_id": "3"},
        {"endpoint": "https://api.example.com/", "client_id": "3"},
        {"endpoint": "https://api.example.com", "client_id": "4"},
    ),
    "active_directory": (
        {"server": "dc1.acme.example", "username": "a@acme.example"},
        {"server": "DC1.acme.example:636", "username": "b@acme.example"},
        {"server": "dc1.bolt.example", "username": "a@acme.example"},
    ),
    "ansible_hosts": (
        {"hosts": "web-1 192.0.2.10\nweb-2 192.0.2.11", "known_hosts": "k"},
        {"hosts": "front 192.0.2.11:22 ring:pilot", "known_hosts": "k"},
        {"hosts": "web-1 192.0.2.12", "known_hosts": "k"},
    ),
    "imap": (
        {"server": "mail.example", "mailboxes": "ann@acme.example, bob@acme.example"},
        {"server": "mail.example:993", "mailboxes": "BOB@acme.example"},
        {"server": "mail.example", "mailboxes": "bob@bolt.example"},
    ),
    "microsoft_sentinel": (
        {"workspace_id": "AAAA-1", "tenant_id": "a", **_WORKSPACE},
        {"workspace_id": "aaaa-1", "tenant_id": "b", **_WORKSPACE},
        {"workspace_id": "bbbb-2", "tenant_id": "a", **_WORKSPACE},
    ),
    "siem_query": (
        {"endpoint": "https://siem.example/search", "body": "a", **_QUERIES},
        {"endpoint": "https://siem.example:443/search", "body": "a", **_QUERIES},
        {"endpoint": "https://siem.example/search", "body": "b", **_QUERIES},
    ),
    "dns": (
        {"domains": "acme.example, acme.test"}, {"domains": "ACME.test."},
        {"domains": "bolt.example"},
    ),
}  # fmt: skip


def connect(connector: str, settings: Settings) -> Connection:
    """Connect the scope's tenant; nothing is asked of the vendor."""
    manifest = registry.connector(connector)
    secrets = {n: "secret" for n, text in manifest.secrets.items() if text[:8] != "Optional"}
    return connections.create(
        connector=connector, name=manifest.title, settings=settings, secrets=secrets, actor="test"
    )


def change(row: Connection, settings: Settings, **more: Any) -> Connection:
    return connections.change(
        row.id, settings=settings, secrets={}, expires_at=None, actor="test", **more
    )


def test_every_connector_that_reads_something_says_whose_it_is() -> None:
    silent = {
        name for name, one in registry.CONNECTORS.items()
        if one.feeds and all(feed.is_pushed for feed in one.feeds)
    }  # fmt: skip
    assert silent == {"webhook"}
    assert set(ORGANISATIONS) == set(registry.CONNECTORS) - silent


@pytest.mark.parametrize("connector", ORGANISATIONS)
def test_two_clients_never_have_one_organisation(connector, tenant, other_tenant) -> None:
    own, same, another = ORGANISATIONS[connector]
    with scope.tenant(tenant.id):
        row = connect(connector, own)
    with scope.tenant(other_tenant.id):
        with pytest.raises(OrganisationTaken) as refused:
            connect(connector, same)
        assert connect(connector, another).settings == another
    assert tenant.name not in str(refused.value)
    assert tenant.slug not in str(refused.value)
    # Nor by a change, whoever says that it is meant so.
    with scope.tenant(tenant.id), pytest.raises(OrganisationTaken):
        organisations.check_free(registry.connector(connector), another)
    assert not organisations.is_another(registry.connector(connector), row.settings, same)
    assert organisations.is_another(registry.connector(connector), row.settings, another)


@pytest.mark.parametrize(
    ("connector", "part"),
    [("wazuh", "group"), ("sentinelone", "site_id"), ("crowdstrike", "member_cid")],
)
@pytest.mark.parametrize("whole_first", [True, False])
def test_nobody_reads_a_whole_console_beside_another_client(
    connector, part, whole_first, tenant, other_tenant
) -> None:
    narrow = {part: "0123456789abcdef" * 2, **ORGANISATIONS[connector][0]}
    whole = {name: value for name, value in narrow.items() if name != part}
    first, second = (whole, narrow) if whole_first else (narrow, whole)
    with scope.tenant(tenant.id):
        connect(connector, first)
    with scope.tenant(other_tenant.id), pytest.raises(OrganisationTaken, match=f"Enter {part}"):
        connect(connector, second)


def told(*items: DirectoryItem) -> None:
    named = {item.external_id: item for item in items}
    intake.take(
        connector="crowdstrike",
        feed="hosts",
        records=[SourceRecord({"id": one}) for one in named],
        normalise=lambda record: named[record.body["id"]],
    )


def test_another_organisation_is_refused_unless_it_replaces_the_one_before(in_tenant) -> None:
    own, _, another = ORGANISATIONS["crowdstrike"]
    row = connect("crowdstrike", own)
    FeedState.objects.update(cursor={"since": "2026-11-20T00:00:00+00:00"})
    ann = DirectoryItem("account", "ann", "ann@acme.example", attributes={"email": "a@b.example"})
    told(ann, DirectoryItem("device", "d1", "PC-1"))
    with pytest.raises(OrganisationChanged, match="one connection of a kind"):
        change(row, another)
    assert not FeedState.objects.filter(cursor={}).exists()
    change(row, another, replaces=True)
    assert not FeedState.objects.exclude(cursor={}).exists()
    assert not Account.objects.filter(deleted_upstream_at=None).exists()
    entry = LedgerEntry.objects.get(kind="connection.organisation_replaced")
    assert entry.body == {"marked_deleted": 2, "feeds_read_anew": FeedState.objects.count()}
    # What is told again, word for word, is there again.
    told(ann)
    assert Account.objects.get().deleted_upstream_at is None
    assert Device.objects.get().deleted_upstream_at is not None


def test_a_correction_within_an_organisation_reads_on(in_tenant) -> None:
    own, same, _ = ORGANISATIONS["crowdstrike"]
    row = connect("crowdstrike", own)
    FeedState.objects.update(cursor={"since": "x"})
    change(row, {"client_id": same["client_id"]})
    assert not FeedState.objects.filter(cursor={}).exists()


def test_a_page_of_the_organisation_before_is_not_kept(tenant: Tenant, monkeypatch) -> None:
    own, _, another = ORGANISATIONS["crowdstrike"]
    manifest = registry.connector("crowdstrike")
    hosts = manifest.feed("hosts")

    def fetch(client: Any, cursor: Mapping[str, Any]) -> Iterator[Page]:
        if not cursor:
            with scope.tenant(tenant.id):
                change(Connection.objects.get(), another, replaces=True)
        yield Page((SourceRecord({"device_id": "d1", "hostname": "PC-1"}),), {"since": "x"}, True)

    told_of = dataclasses.replace(
        manifest,
        feeds=(dataclasses.replace(hosts, fetch=fetch),),
        organisation=dataclasses.replace(manifest.organisation, told=None),
    )
    monkeypatch.setattr(registry, "CONNECTORS", MappingProxyType({"crowdstrike": told_of}))
    with scope.tenant(tenant.id):
        connect("crowdstrike", own)
        state = FeedState.objects.get()
    held = work.claim(Work.objects.get(subject=state.id).id)
    assert held is not None
    polling.poll(tenant.id, state.id)
    work.complete(held)
    with scope.tenant(tenant.id):
        assert FeedState.objects.get().cursor == {}
        assert not Device.objects.exists()
    due = Work.objects.get(subject=state.id).due_at
    assert due <= dt.datetime.now(dt.UTC)


@pytest.fixture
def vendors_word(monkeypatch) -> dict[str, str]:
    """CrowdStrike as told here: `is` is the customer that any credentials lead to."""
    says = {"is": "cid-1"}
    manifest = registry.connector("crowdstrike")
    hosts = manifest.feed("hosts")

    def fetch(client: Any, cursor: Mapping[str, Any]) -> Iterator[Page]:
        yield Page((SourceRecord({"device_id": "d1", "hostname": "PC-1"}),), {"since": "x"}, True)

    told_of = dataclasses.replace(
        manifest,
        canary=lambda client: "It answers.",
        feeds=(dataclasses.replace(hosts, fetch=fetch),),
        organisation=dataclasses.replace(manifest.organisation, told=lambda client: says["is"]),
    )
    monkeypatch.setattr(registry, "CONNECTORS", MappingProxyType({"crowdstrike": told_of}))
    return says


def poll(tenant: Tenant) -> None:
    with scope.tenant(tenant.id):
        state = FeedState.objects.get()
    held = work.claim(Work.objects.get(subject=state.id).id)
    assert held is not None
    polling.poll(tenant.id, state.id)
    work.complete(held)


def test_the_same_organisation_by_other_credentials_is_known_by_the_vendors_id(
    tenant, other_tenant, vendors_word
) -> None:
    own, _, another = ORGANISATIONS["crowdstrike"]
    with scope.tenant(tenant.id):
        connect("crowdstrike", own)
    poll(tenant)
    with scope.tenant(tenant.id):
        assert Connection.objects.get().organisation == "cid-1"
        assert Device.objects.count() == 1
    with scope.tenant(other_tenant.id):
        row = connect("crowdstrike", another)
    poll(other_tenant)
    with scope.tenant(other_tenant.id):
        assert not Device.objects.exists()
        taken = Connection.objects.get()
    assert (taken.state, taken.problem) == ("broken", "organisation")
    assert "another client" in taken.error
    assert tenant.name not in taken.error
    with pytest.raises(OrganisationTaken):
        checking.once(other_tenant.id, row.id)
    with pytest.raises(OrganisationTaken), connections.client(other_tenant.id, row.id):
        pass
    # Its own credentials were entered.
    vendors_word["is"] = "cid-2"
    checking.once(other_tenant.id, row.id)
    with scope.tenant(other_tenant.id):
        assert Connection.objects.get().organisation == "cid-2"
    with connections.client(other_tenant.id, row.id):
        pass


def test_the_same_settings_that_lead_elsewhere_stop_until_somebody_says_so(
    tenant, vendors_word
) -> None:
    own, _, _ = ORGANISATIONS["crowdstrike"]
    with scope.tenant(tenant.id):
        row = connect("crowdstrike", own)
    checking.once(tenant.id, row.id)
    poll(tenant)
    vendors_word["is"] = "cid-9"
    with pytest.raises(OrganisationChanged, match="cid-9"):
        checking.once(tenant.id, row.id)
    with scope.tenant(tenant.id):
        change(row, own)
        assert Device.objects.get().deleted_upstream_at is None
    with pytest.raises(OrganisationChanged):
        checking.once(tenant.id, row.id)
    with scope.tenant(tenant.id):
        change(row, own, replaces=True)
        assert Device.objects.get().deleted_upstream_at is not None
    poll(tenant)
    with scope.tenant(tenant.id):
        assert Connection.objects.get().organisation == "cid-9"
        assert Device.objects.get().deleted_upstream_at is None


def test_a_vendor_that_may_not_tell_stops_nothing(tenant, vendors_word, monkeypatch) -> None:
    manifest = registry.connector("crowdstrike")

    def refused(client: Any) -> str:
        raise PermissionMissing("not allowed")

    silent = dataclasses.replace(manifest.organisation, told=refused)
    told_of = dataclasses.replace(manifest, organisation=silent)
    monkeypatch.setattr(registry, "CONNECTORS", MappingProxyType({"crowdstrike": told_of}))
    with scope.tenant(tenant.id):
        connect("crowdstrike", ORGANISATIONS["crowdstrike"][0])
    poll(tenant)
    with scope.tenant(tenant.id):
        assert Device.objects.count() == 1


@pytest.mark.parametrize(
    "connector",
    [
        "microsoft365", "intune", "defender_endpoint", "google_workspace", "crowdstrike",
        "sentinelone", "ninjaone", "tactical_rmm",
    ],
)  # fmt: skip
def test_vendors_tell_whose_it_is(connector, tmp_path) -> None:
    manifest = registry.connector(connector)
    subject = importlib.import_module(f"tests.integrations.{connector}.subject").SUBJECT
    with subject.running(tmp_path) as vendor:
        client = vendor.connect()
        told = organisations.ask(manifest, client)
        client.close()
        known = {vendor.settings.get("tenant_id", ""), vendor.tenant["id"], _own(vendor)} - {""}
    assert told in {one.casefold() for one in known}


def _own(vendor: Any) -> str:
    """What a vendor tells that has no id of the organisation itself."""
    if vendor.manifest.id == "sentinelone":
        return f"{ACCOUNT}/{vendor.settings['site_id']}"
    if vendor.manifest.id == "ninjaone":
        first = min(vendor.records("devices").values(), key=lambda device: device["id"])
        return f"{vendor.settings['organization_id']}-{first['uid']}"
    if vendor.manifest.id == "tactical_rmm":
        return f"{vendor.settings['client_id']}-{min(vendor.records('agents'))}"
    return ""


def tell(tenant: Tenant, connector: str, settings: Settings, told: str) -> None:
    """Connect a client, and let the vendor tell whose it is."""
    with scope.tenant(tenant.id):
        row = connect(connector, settings)
        organisations.recognise(Connection.objects.select_for_update().get(id=row.id), told)


def test_another_way_to_the_same_domain_is_no_other_domain(tenant, other_tenant) -> None:
    """A domain controller that takes another's place: the domain's SID says that it is the same."""
    own = ORGANISATIONS["active_directory"][0]
    tell(tenant, "active_directory", own, "s-1-5-21-1")
    with scope.tenant(tenant.id):
        row = Connection.objects.get()
        FeedState.objects.update(cursor={"known": 7})
        change(row, {**own, "server": "dc1.acme.example, dc2.acme.example"})
        assert not Connection.objects.get().problem
        change(row, {**own, "server": "dc3.acme.example"})
        assert Connection.objects.get().problem == "organisation"
        assert not FeedState.objects.filter(cursor={}).exists()
    with (
        pytest.raises(OrganisationTaken, match="being checked"),
        connections.client(tenant.id, row.id),
    ):
        pass
    with scope.tenant(tenant.id):
        row = Connection.objects.select_for_update().get()
        with pytest.raises(OrganisationChanged):
            organisations.recognise(row, "s-1-5-21-9")
        organisations.recognise(row, "s-1-5-21-1")
        connections.worked(row, "It answers.")
    with connections.client(tenant.id, row.id):
        pass
    elsewhere = {**own, "server": "192.0.2.7"}
    with pytest.raises(OrganisationTaken):
        tell(other_tenant, "active_directory", elsewhere, "s-1-5-21-1")


@pytest.mark.parametrize(
    ("first", "second", "is_refused"),
    [("1/7", "1/7", True), ("1/7", "1", True), ("1", "1/7", True), ("1/7", "1/8", False),
     ("1", "2/7", False), ("1", "11/7", False)],
)  # fmt: skip
def test_a_site_lies_in_its_account_under_whatever_address(
    first, second, is_refused, tenant, other_tenant
) -> None:
    tell(tenant, "sentinelone", {"endpoint": "https://a.sentinelone.net"}, first)
    elsewhere = {"endpoint": "https://console.msp.example"}
    if is_refused:
        with pytest.raises(OrganisationTaken):
            tell(other_tenant, "sentinelone", elsewhere, second)
    else:
        tell(other_tenant, "sentinelone", elsewhere, second)


def test_an_account_and_a_site_of_another_one_stand_side_by_side(tenant, other_tenant) -> None:
    console = {"endpoint": "https://a.sentinelone.net"}
    with scope.tenant(tenant.id):
        connect("sentinelone", {**console, "account_id": "1"})
    with scope.tenant(other_tenant.id):
        with pytest.raises(OrganisationTaken):
            connect("sentinelone", {**console, "account_id": "1"})
        with pytest.raises(OrganisationTaken, match="Enter site_id"):
            connect("sentinelone", console)
        connect("sentinelone", {**console, "site_id": "7"})


@pytest.mark.parametrize("connector", ["ninjaone", "tactical_rmm"])
def test_what_is_told_in_passing_may_change_but_is_never_two_clients(
    connector, tenant, other_tenant
) -> None:
    own = ORGANISATIONS[connector][0]
    tell(tenant, connector, own, "3-first")
    with scope.tenant(tenant.id):
        row = Connection.objects.select_for_update().get()
        organisations.recognise(row, "3-second")
        assert Connection.objects.get().organisation == "3-second"
    elsewhere = {**own, "endpoint": "https://rmm.msp.example"}
    with pytest.raises(OrganisationTaken):
        tell(other_tenant, connector, elsewhere, "3-second")
    tell(other_tenant, connector, elsewhere, "3-first")
