"""Actions on a real domain, beyond what every connector has to prove."""

from dataclasses import replace

import pytest

from integrations import registry
from integrations.connectors.active_directory.entries import sid
from integrations.connectors.active_directory.normalise import file_time
from integrations.contract import Target
from integrations.errors import PermissionMissing, Rejected
from tests.integrations.active_directory.domain import (
    ADMINISTRATOR,
    BASE,
    GROUPS,
    OLD_PASSWORD,
    PASSWORD,
    PRIYA,
    RECEPTION,
    STAFF,
)
from tests.integrations.conformance.driving import intention
from tests.integrations.conformance.subject import PASSWORD as NEW_PASSWORD

SIGN_IN = "priya.shah@ad.clinic.example"


def run(vendor, client, name: str, target: Target, inputs=None):
    """Carry an action out; return it and the intention."""
    action = registry.action("active_directory", name)
    intended = intention(vendor, client, name, target, inputs or {})
    action.call(client, intended)
    return action, intended


def test_every_other_flag_stays_as_it_was(vendor, client, priya) -> None:
    # NORMAL_ACCOUNT, DONT_EXPIRE_PASSWORD, NOT_DELEGATED.
    vendor.domain.change(PRIYA, "userAccountControl", str(0x200 | 0x10000 | 0x100000))
    run(vendor, client, "identity.disable_sign_in", priya)
    flags = int(vendor.domain.value(PRIYA, "userAccountControl"))
    assert flags == 0x200 | 0x10000 | 0x100000 | 0x2
    assert vendor.domain.sign_in_code(SIGN_IN, OLD_PASSWORD) == "533"


def test_the_old_password_is_refused_and_the_new_one_must_be_changed(vendor, client, priya) -> None:
    action, intended = run(vendor, client, "identity.reset_password", priya)
    assert vendor.domain.sign_in_code(SIGN_IN, OLD_PASSWORD) == "52e"
    assert vendor.domain.sign_in_code(SIGN_IN, NEW_PASSWORD) == "773"
    assert action.read_back(client, intended).observed["password_version"] >= 3


def test_a_weak_password_is_refused_in_words(vendor, client, priya) -> None:
    action = registry.action("active_directory", "identity.reset_password")
    intended = intention(vendor, client, action.name, priya, {})
    weak = replace(intended, secrets={"new_password": "weak"})
    with pytest.raises(Rejected, match="policy for length, complexity or history") as caught:
        action.call(client, weak)
    assert "weak" not in str(caught.value).replace("weak password", "")


def test_a_password_that_never_expires_can_be_reset_but_not_demanded(vendor, client, priya) -> None:
    vendor.domain.change(PRIYA, "userAccountControl", str(0x200 | 0x10000))
    with pytest.raises(Rejected, match="never expires"):
        run(vendor, client, "identity.expire_password", priya)
    run(vendor, client, "identity.reset_password", priya)
    assert vendor.domain.sign_in_code(SIGN_IN, NEW_PASSWORD) == "ok"


def test_a_password_chosen_since_meets_the_demand(vendor, client, priya) -> None:
    action, intended = run(vendor, client, "identity.expire_password", priya)
    assert action.read_back(client, intended).holds
    vendor.domain.change(PRIYA, "unicodePwd", f'"{NEW_PASSWORD}"'.encode("utf-16-le"))
    seen = action.read_back(client, intended)
    assert seen.holds
    assert "chosen" in seen.explanation


def test_a_target_may_be_named_by_its_sid_but_never_by_a_name(vendor, client, priya) -> None:
    entry = client.read(f"<GUID={priya.external_id}>", "objectSid", permission="")
    from_sid = replace(priya, external_id=sid(entry))
    run(vendor, client, "identity.disable_sign_in", from_sid)
    assert vendor.domain.sign_in_code(SIGN_IN, OLD_PASSWORD) == "533"
    for name in ("priya.shah", PRIYA, SIGN_IN, ""):
        with pytest.raises(Rejected, match="not named by"):
            run(vendor, client, "identity.enable_sign_in", replace(priya, external_id=name))


def test_an_end_that_somebody_else_has_set_is_left_alone(vendor, client, priya) -> None:
    action, intended = run(vendor, client, "identity.expire_account", priya)
    inputs = action.reversal_inputs(intended)
    later = str(file_time(intended.since.replace(year=2090)))
    vendor.domain.change(PRIYA, "accountExpires", later)
    run(vendor, client, "identity.restore_account_expiry", priya, inputs)
    assert vendor.domain.value(PRIYA, "accountExpires").decode() == later


def test_an_account_that_was_moved_on_from_quarantine_is_left_there(vendor, client, priya) -> None:
    action, intended = run(vendor, client, "identity.quarantine_account", priya)
    inputs = action.reversal_inputs(intended)
    vendor.domain.move(vendor.domain.name_of(priya.external_id), GROUPS)
    with pytest.raises(Rejected, match="no longer in quarantine"):
        run(vendor, client, "identity.restore_account_place", priya, inputs)


@pytest.mark.parametrize(
    ("place", "words"), [("", "enter quarantine_ou"), ("OU=None,DC=x", "correct quarantine_ou")]
)
def test_without_a_quarantine_the_setting_is_named(vendor, priya, place, words) -> None:
    client = vendor.connect(quarantine_ou=place)
    with pytest.raises(Rejected, match=words):
        run(vendor, client, "identity.quarantine_account", priya)
    client.close()


def test_the_quarantine_may_be_named_by_its_guid(vendor, priya) -> None:
    guid = vendor.domain.guid(vendor.settings["quarantine_ou"])
    client = vendor.connect(quarantine_ou=guid)
    action, intended = run(vendor, client, "identity.quarantine_account", priya)
    assert action.read_back(client, intended).holds
    client.close()


def test_names_with_commas_and_brackets_are_handled(vendor, client) -> None:
    for name in ("Kai\\, Mei", "Hugo (Locum)", "Zoë Müller"):
        account = f"CN={name},{STAFF}"
        vendor.domain.change(RECEPTION, "member", account, how="MODIFY_ADD")
        guid, group = vendor.domain.guid(account), vendor.domain.guid(RECEPTION)
        target = Target("group_membership", "row", f"{guid}/{group}", "Reception", guid)
        action, intended = run(vendor, client, "identity.remove_from_group", target)
        assert action.read_back(client, intended).holds
        assert account not in vendor.domain.members(RECEPTION)
        moved = Target("account", "row", guid, name)
        run(vendor, client, "identity.quarantine_account", moved)
        assert vendor.domain.name_of(guid).startswith(f"CN={name},OU=Quarantine")
        vendor.domain.move(vendor.domain.name_of(guid), STAFF)


def test_a_primary_group_can_not_be_left(vendor) -> None:
    client = vendor.connect(username=ADMINISTRATOR, password=PASSWORD)
    guid = vendor.domain.guid(PRIYA)
    group = client.domain.sid + "-513"
    target = Target("group_membership", "row", f"{guid}/{group}", "Domain Users", guid)
    action, intended = run(vendor, client, "identity.remove_from_group", target)
    assert action.reversal_inputs(intended) is None
    client.close()


def test_an_administrators_account_needs_rights_of_its_own(vendor, client) -> None:
    """AdminSDHolder keeps the delegated rights of the organisational unit away."""
    guid = vendor.domain.guid(f"CN=Administrator,CN=Users,{BASE}")
    target = Target("account", "row", guid, "CLINIC\\Administrator")
    with pytest.raises(PermissionMissing, match=r"AdminSDHolder"):
        run(vendor, client, "identity.disable_sign_in", target)
