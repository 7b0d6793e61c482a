"""What the feeds of a real domain bring, and what changes make them bring again."""

import pytest

from integrations import connections, polling
from integrations.connectors.active_directory import feeds, ids
from integrations.connectors.active_directory.client import EXTENDED_NAMES
from integrations.connectors.active_directory.manifest import MANIFEST
from integrations.connectors.active_directory.permissions import READ
from integrations.models import FeedState
from tenants import scope
from tenants.models import Account, DirectoryObject
from tests.integrations.active_directory.domain import (
    ADMINISTRATOR,
    BASE,
    COLLEAGUES,
    GROUPS,
    PASSWORD,
    PRIYA,
    RECEPTION,
    STAFF,
)
from tests.integrations.conformance.driving import sweep


def by_name(items) -> dict:
    return {item.name: item for item in items}


def read(client, feed: str, cursor=None):
    items, following = sweep(MANIFEST, client, feed, cursor)
    return by_name(items), following


def test_accounts_come_with_their_identity_and_state(vendor, client) -> None:
    found, _ = read(client, "users")
    priya = found["CLINIC\\priya.shah"]
    assert priya.external_id == vendor.domain.guid(PRIYA)
    told = priya.attributes
    assert told["on_premises_sid"].startswith("S-1-5-21-")
    assert told["source_of_authority"] == "active_directory"
    assert told["email"] == "priya.shah@clinic.example"
    assert told["is_enabled"] is True
    assert told["must_change_password"] is False
    assert told["kind"] == "member"
    assert found["CLINIC\\krbtgt"].attributes["kind"] == "service"
    names = {item.attributes.get("display_name") for item in found.values()}
    assert set(COLLEAGUES) <= names
    policy = found["Password policy of the domain"]
    assert policy.kind == "policy"
    assert policy.attributes["minimum_length"] == 7
    assert policy.attributes["is_complex"] is True


def test_privilege_is_seen_through_groups_in_groups(client) -> None:
    users, _ = read(client, "users")
    amara = next(u for u in users.values() if u.attributes.get("display_name") == "Amara Okafor")
    assert amara.attributes["is_privileged"] is True
    assert {"Administrators", "Domain Admins"} <= set(amara.attributes["roles"])
    assert users["CLINIC\\priya.shah"].attributes["is_privileged"] is False
    groups, _ = read(client, "groups")
    assert groups["Ward"].attributes["roles"] == ["Administrators", "Domain Admins"]
    assert groups["Backup Operators"].attributes["is_privileged"] is True
    assert groups["Reception"].attributes["is_privileged"] is False


def test_the_trace_of_former_privilege_is_no_privilege(vendor, client) -> None:
    vendor.domain.change(PRIYA, "adminCount", "1")
    users, _ = read(client, "users")
    told = users["CLINIC\\priya.shah"].attributes
    assert (told["is_privileged"], told["admin_count_is_left_over"]) == (False, True)


def test_a_primary_group_counts_although_no_list_names_it(vendor, client) -> None:
    domain = vendor.domain
    domain.change(f"CN=Helpers,{GROUPS}", "member", PRIYA, how="MODIFY_ADD")
    rid = int.from_bytes(domain.value(f"CN=Helpers,{GROUPS}", "objectSid")[-4:], "little")
    domain.change(PRIYA, "primaryGroupID", str(rid))
    assert PRIYA not in domain.members(f"CN=Helpers,{GROUPS}")
    users, _ = read(client, "users")
    assert "Domain Admins" in users["CLINIC\\priya.shah"].attributes["roles"]


def test_members_are_told_by_guid(vendor, client) -> None:
    groups, _ = read(client, "groups")
    assert groups["Reception"].attributes["members"] == [vendor.domain.guid(PRIYA)]


def test_only_what_has_changed_comes_again(vendor, client) -> None:
    _, cursor = read(client, "users")
    found, cursor = read(client, "users", cursor)
    assert set(found) == {"Password policy of the domain"}
    vendor.domain.change(PRIYA, "title", "Receptionist")
    found, cursor = read(client, "users", cursor)
    assert found["CLINIC\\priya.shah"].attributes["job_title"] == "Receptionist"
    assert len(found) == 2


def test_a_new_administrator_is_seen_although_only_the_group_has_changed(vendor, client) -> None:
    _, cursor = read(client, "users")
    admins = f"CN=Domain Admins,CN=Users,{BASE}"
    vendor.domain.change(admins, "member", PRIYA, how="MODIFY_ADD")
    try:
        found, cursor = read(client, "users", cursor)
        assert found["CLINIC\\priya.shah"].attributes["is_privileged"] is True
    finally:
        vendor.domain.change(admins, "member", PRIYA, how="MODIFY_DELETE")
    found, _ = read(client, "users", cursor)
    assert found["CLINIC\\priya.shah"].attributes["is_privileged"] is False


def test_what_is_deleted_is_told_once_and_not_before_the_first_sweep(vendor, client) -> None:
    vendor.domain.add_user(f"CN=Gone,{STAFF}", "gone")
    vendor.domain.delete(f"CN=Gone,{STAFF}")
    found, cursor = read(client, "users")
    assert not any(item.is_deleted for item in found.values())
    guid = vendor.domain.guid(PRIYA)
    vendor.domain.delete(PRIYA)
    found, cursor = read(client, "users", cursor)
    assert [i.external_id for i in found.values() if i.is_deleted] == [guid]
    found, _ = read(client, "users", cursor)
    assert not any(item.is_deleted for item in found.values())


def test_another_copy_of_the_directory_is_read_from_the_start(client) -> None:
    first, cursor = read(client, "users")
    again, _ = read(client, "users", {**cursor, "copy": "another", "known": 10**9})
    assert first.keys() <= again.keys()


def test_a_large_group_is_read_in_ranges(vendor, client) -> None:
    """A server gives 1,500 members at once; here the first answer is asked to hold two."""
    everybody = [f"CN={name},{STAFF}" for name in COLLEAGUES if "," not in name]
    vendor.domain.change(RECEPTION, "member", *everybody)
    first = client.read(RECEPTION, "member;range=0-1", permission=READ, controls=(EXTENDED_NAMES,))
    assert list(first.values) == ["member;range=0-1"]
    found = [ids.parted(one)[0] for one in feeds.members(client, first)]
    assert sorted(found) == sorted(vendor.domain.guid(name) for name in everybody)


def test_computers_are_devices(client) -> None:
    found, _ = read(client, "computers")
    controller = found["dc1.ad.clinic.example"].attributes
    assert (controller["is_server"], controller["is_domain_controller"]) == (True, True)
    assert found["pc0.ad.clinic.example"].attributes["operating_system"] == "Windows 11 Pro"
    assert found["pc0.ad.clinic.example"].attributes["is_server"] is False


@pytest.mark.django_db
def test_a_finer_password_policy_that_is_deleted_is_marked(vendor, tenant, settings) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    finer = f"CN=Nurses,CN=Password Settings Container,CN=System,{BASE}"
    vendor.domain.add(
        finer, "msDS-PasswordSettings",
        **{
            "msDS-PasswordSettingsPrecedence": "10", "msDS-MinimumPasswordLength": "14",
            "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
            "msDS-PasswordComplexityEnabled": "TRUE", "msDS-PasswordHistoryLength": "10",
            "msDS-MinimumPasswordAge": "0", "msDS-MaximumPasswordAge": "-36288000000000",
            "msDS-LockoutThreshold": "0", "msDS-LockoutObservationWindow": "-18000000000",
            "msDS-LockoutDuration": "-18000000000",
        },
    )  # fmt: skip
    with scope.tenant(tenant.id):
        # By default only administrators may read them.
        connections.create(
            connector="active_directory", name="the domain", actor="test",
            settings={**vendor.settings, "username": ADMINISTRATOR},
            secrets={"password": PASSWORD},
        )  # fmt: skip
        state = FeedState.objects.get(feed="users")

    def policies() -> dict[str, bool]:
        polling.poll(tenant.id, state.id)
        with scope.tenant(tenant.id):
            rows = DirectoryObject.objects.filter(kind="policy")
            return {row.name: row.deleted_upstream_at is None for row in rows}

    try:
        assert policies() == {"Nurses": True, "Password policy of the domain": True}
    finally:
        vendor.domain.delete(finer)
    assert policies() == {"Nurses": False, "Password policy of the domain": True}
    with scope.tenant(tenant.id):
        assert not Account.objects.exclude(deleted_upstream_at=None).exists()
