"""What the connector answers to an investigation's questions, asked of a real domain."""

import datetime as dt
import struct

import pytest

from integrations import catalog, registry
from integrations.connectors.active_directory import gatherers
from integrations.connectors.active_directory.manifest import MANIFEST
from integrations.connectors.active_directory.normalise import file_time
from integrations.connectors.active_directory.rights import COPY_ALL, Head
from integrations.contract import Target
from integrations.errors import Rejected
from tests.integrations.active_directory.domain import GROUPS, PRIYA, RECEPTION, STAFF
from tests.servers.rights import CONTROL, READ, Right, with_rights

TENANT = Target("tenant", "", "clinic", "clinic")


def ask(client, question: str, target: Target, **inputs):
    found = registry.gatherer("active_directory", question).gather(client, target, inputs)
    assert found.keys() == catalog.get(question).facts.keys()
    return found


def test_every_question_is_asked_here() -> None:
    asked = {name for name in globals() if name.startswith("test_")}
    for one in MANIFEST.gatherers:
        assert f"test_{one.name.partition('.')[2]}" in asked


def test_get_account(client, priya, vendor) -> None:
    told = ask(client, "identity.get_account", priya)["account"]
    assert told["id"] == priya.external_id
    assert told["username"] == "CLINIC\\priya.shah"
    assert (told["is_enabled"], told["is_privileged"], told["roles"]) == (True, False, [])
    vendor.domain.change(f"CN=Ward,{GROUPS}", "member", PRIYA, how="MODIFY_ADD")
    told = ask(client, "identity.get_account", priya)["account"]
    assert told["is_privileged"] is True
    assert told["roles"] == ["Administrators", "Domain Admins"]


def test_list_groups(client, priya, vendor) -> None:
    vendor.domain.change(f"CN=Ward,{GROUPS}", "member", PRIYA, how="MODIFY_ADD")
    found = ask(client, "identity.list_groups", priya)["groups"]
    told = {one["name"]: one for one in found}
    # Domain Users is the primary group, which can't be left; Helpers is held through Ward.
    assert told.keys() == {"Reception", "Ward"}
    assert (told["Reception"]["is_privileged"], told["Ward"]["is_privileged"]) == (False, True)
    expected = f"{priya.external_id}/{vendor.domain.guid(RECEPTION)}"
    assert told["Reception"]["external_id"] == expected


def test_list_privileged_accounts(client, vendor) -> None:
    found = ask(client, "identity.list_privileged_accounts", TENANT)["accounts"]
    told = {one["external_id"]: one for one in found}
    amara = told[vendor.domain.guid(f"CN=Amara Okafor,{STAFF}")]
    assert amara["roles"] == ["Administrators", "Domain Admins"]
    assert amara["is_mfa_registered"] is False
    assert vendor.domain.guid(PRIYA) not in told


@pytest.mark.parametrize(("days_ago", "is_listed"), [(120, True), (100, False), (5, False)])
def test_list_inactive_accounts(client, vendor, days_ago, is_listed) -> None:
    seen = dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago, hours=1)
    vendor.domain.change(PRIYA, "lastLogonTimestamp", str(file_time(seen)))
    found = ask(client, "identity.list_inactive_accounts", TENANT, days=90)["accounts"]
    told = {one["external_id"]: one["last_sign_in_days"] for one in found}
    assert (told.get(vendor.domain.guid(PRIYA)) == days_ago) is is_listed


def test_get_password_policy(client, priya) -> None:
    told = ask(client, "identity.get_password_policy", priya)["policy"]
    assert told["minimum_length"] == 7
    assert told["history"] == 24
    assert told["maximum_age_days"] == 42
    assert (told["is_complex"], told["is_fine_grained"]) == (True, False)


def test_get_replication_right(client, priya, vendor, monkeypatch) -> None:
    """Nobody by default but those who rule; who may long has it, who may since now not yet."""
    question = "identity.get_replication_right"
    told = ask(client, question, priya)
    assert (told["may_replicate"], told["is_long_held"], told["through"]) == (False, False, [])
    amara = Target("account", "", vendor.domain.guid(f"CN=Amara Okafor,{STAFF}"), "amara")
    told = ask(client, question, amara)
    assert (told["may_replicate"], told["through"]) == (True, ["Administrators", "Domain Admins"])
    vendor.domain.let_replicate(PRIYA)
    told = ask(client, question, priya)
    assert (told["may_replicate"], told["through"]) == (True, ["priya.shah"])
    changed = dt.datetime.fromisoformat(told["rights_changed_at"])
    assert dt.datetime.now(dt.UTC) - changed < dt.timedelta(minutes=5)
    assert told["is_long_held"] is False
    monkeypatch.setattr(gatherers, "_LONG", dt.timedelta())
    assert ask(client, question, priya)["is_long_held"] is True


def test_who_is_in_a_group_that_may_copy_the_directory_may_be_so_since_today(
    client, priya, vendor, monkeypatch
) -> None:
    monkeypatch.setattr(gatherers, "_LONG", dt.timedelta())
    vendor.domain.let_replicate(RECEPTION)
    told = ask(client, "identity.get_replication_right", priya)
    assert (told["through"], told["is_long_held"]) == (["Reception"], False)


_ADMIN, _PROGRAM = "S-1-5-32-544", "S-1-5-21-1-2-3-1104"
_EMPTY = bytes.fromhex("0100048000000000000000000000000014000000" + "0400080000000000")


@pytest.mark.parametrize(
    ("given", "holders"),
    [
        ([Right(CONTROL, of=str(COPY_ALL))], [_PROGRAM]),
        ([Right(CONTROL)], [_PROGRAM]),
        ([Right(CONTROL, of=str(COPY_ALL)), Right(CONTROL, denied=True)], []),
        ([Right(CONTROL, of=str(COPY_ALL), on=str(COPY_ALL))], []),
        ([Right(CONTROL, of="1131f6aa-9c07-11d1-f79f-00c04fc2dcd2")], []),
        ([Right(READ)], []),
    ],
    ids=["the right", "every right", "denied first", "only below", "another right", "reading"],
)
def test_who_may_copy_the_directory(given, holders) -> None:
    sid = struct.pack("<BB6s5I", 1, 5, b"\0\0\0\0\0\5", 21, 1, 2, 3, 1104)
    head = Head(with_rights(_EMPTY, sid, given), None)
    assert head.holders({_ADMIN, _PROGRAM}) == holders
    assert head.holders({_ADMIN}) == []


@pytest.mark.parametrize("cut", [0, 15, 21, 30, 40])
def test_a_list_of_rights_that_is_none_is_an_error_and_nobodys_right(cut) -> None:
    sid = struct.pack("<BB6s1I", 1, 1, b"\0\0\0\0\0\1", 0)
    whole = with_rights(_EMPTY, sid, [Right(CONTROL)])
    with pytest.raises(Rejected):
        Head(whole[:cut], None).holders({_ADMIN})
