"""Every action over real HTTP: call, read-back, reversal, and the same call twice."""

import datetime as dt
from dataclasses import replace

import pytest

from integrations import catalog
from integrations.connectors.microsoft365.client import GraphClient
from integrations.connectors.microsoft365.manifest import MANIFEST
from integrations.contract import Action, Intention, Target
from integrations.errors import NotFound, OutcomeUnknown, PermissionMissing, Rejected, Throttled
from integrations.microsoft.clocks import is_since
from tests.integrations.microsoft365.conftest import QUICK, Vendor

ACTIONS = {action.name: action for action in MANIFEST.actions}
PASSWORD = "Correct-Horse-9-Battery"


def intend(client: GraphClient, action: Action, target: Target, **inputs) -> Intention:
    """What the runner does first: keep the prior state, then write down the intention."""
    draft = Intention(target, inputs, dt.datetime.now(dt.UTC), {}, {"new_password": PASSWORD})
    return replace(draft, snapshot=action.snapshot(client, draft), since=dt.datetime.now(dt.UTC))


def carry_out(client: GraphClient, name: str, target: Target, **inputs) -> Intention:
    """Intend, call twice, and see the effect; return the intention."""
    action = ACTIONS[name]
    intention = intend(client, action, target, **inputs)
    action.call(client, intention)
    action.call(client, intention)
    seen = action.read_back(client, intention)
    assert seen.holds, seen.explanation
    return intention


def rule_of(vendor: Vendor, victim: Target) -> Target:
    rules = vendor.records(f"rules:{victim.external_id}")
    rule = next(r for r in rules if r["displayName"] == ".")
    return Target(
        "mailbox_rule", "row", f"{victim.external_id}/{rule['id']}", ".", victim.external_id
    )


def method_of(vendor: Vendor, victim: Target, kind: str) -> Target:
    methods = vendor.records(f"methods:{victim.external_id}")
    method = next(m for m in methods if kind in m["@odata.type"])
    name = method.get("displayName") or method.get("phoneNumber") or kind
    return Target(
        "auth_method", "row", f"{victim.external_id}/{method['id']}", name, victim.external_id
    )


def test_what_the_connector_implements_is_in_the_catalog() -> None:
    changing = {a.name for a in catalog.ACTIONS if not a.is_read_only}
    reading = {a.name for a in catalog.ACTIONS if a.is_read_only}
    assert set(ACTIONS) <= changing
    assert {g.name for g in MANIFEST.gatherers} <= reading


def test_sign_in_is_blocked_read_back_and_allowed_again(vendor, client, victim) -> None:
    done = carry_out(client, "identity.disable_sign_in", victim)
    assert vendor.user("priya.shah")["accountEnabled"] is False
    assert ACTIONS["identity.disable_sign_in"].reversal_inputs(done) == {}
    carry_out(client, "identity.enable_sign_in", victim)
    assert vendor.user("priya.shah")["accountEnabled"] is True


def test_what_was_blocked_before_is_not_undone(vendor, client, victim) -> None:
    vendor.control.act("set_enabled", tenant=vendor.tenant["id"], user="priya.shah",
                       is_enabled=False)  # fmt: skip
    done = carry_out(client, "identity.disable_sign_in", victim)
    assert ACTIONS["identity.disable_sign_in"].reversal_inputs(done) is None


def test_a_read_back_says_when_the_effect_is_not_there(client, victim) -> None:
    action = ACTIONS["identity.disable_sign_in"]
    seen = action.read_back(client, intend(client, action, victim))
    assert not seen.holds
    assert "allowed" in seen.explanation


def test_somebody_undoing_it_is_seen(vendor, client, victim) -> None:
    done = carry_out(client, "identity.disable_sign_in", victim)
    vendor.control.act("set_enabled", tenant=vendor.tenant["id"], user="priya.shah",
                       is_enabled=True)  # fmt: skip
    assert not ACTIONS["identity.disable_sign_in"].read_back(client, done).holds


def test_sessions_are_revoked_since_the_intention(client, victim) -> None:
    action = ACTIONS["identity.revoke_sessions"]
    intention = intend(client, action, victim)
    assert not action.read_back(client, intention).holds
    carry_out(client, "identity.revoke_sessions", victim)


def test_the_password_is_reset_with_the_secret_and_must_be_changed(vendor, client, victim) -> None:
    action = ACTIONS["identity.reset_password"]
    assert not action.read_back(client, intend(client, action, victim)).holds
    done = carry_out(client, "identity.reset_password", victim)
    assert action.reversal_inputs(done) is None
    assert PASSWORD not in repr(done)
    assert PASSWORD not in str(done.snapshot)
    assert vendor.control.effects("user.reset_password", victim.external_id)


def test_a_reset_without_password_sends_nothing(vendor, client, victim) -> None:
    action = ACTIONS["identity.reset_password"]
    intention = replace(intend(client, action, victim), secrets={})
    with pytest.raises(Rejected, match="No new password"):
        action.call(client, intention)
    assert not vendor.control.effects("user.reset_password")


@pytest.mark.parametrize(
    ("now", "before", "since", "expected"),
    [
        ("2026-01-01T10:00:05", "2025-01-01T00:00:00", "2026-01-01T10:00:05.9", True),
        ("2026-01-01T09:57:00", "2025-01-01T00:00:00", "2026-01-01T10:00:00", True),
        ("2026-01-01T09:57:00", "2026-01-01T09:57:00", "2026-01-01T10:00:00", False),
        ("2026-01-01T09:54:00", "2025-01-01T00:00:00", "2026-01-01T10:00:00", False),
        (None, None, "2026-01-01T10:00:00", False),
    ],
)
def test_vendor_times_are_compared_with_whole_seconds_and_skewed_clocks(
    now, before, since, expected
) -> None:
    def utc(text: str | None) -> dt.datetime | None:
        return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) if text else None

    assert is_since(utc(now), utc(before), utc(since)) is expected


def test_a_rule_is_switched_off_and_on(vendor, client, victim) -> None:
    rule = rule_of(vendor, victim)
    done = carry_out(client, "mailbox.disable_inbox_rule", rule)
    assert ACTIONS["mailbox.disable_inbox_rule"].reversal_inputs(done) == {}
    carry_out(client, "mailbox.enable_inbox_rule", rule)


def test_a_deleted_rule_is_created_again_once_and_equal(vendor, client, victim) -> None:
    rule = rule_of(vendor, victim)
    before = vendor.records(f"rules:{victim.external_id}")
    done = carry_out(client, "mailbox.delete_inbox_rule", rule)
    assert len(vendor.records(f"rules:{victim.external_id}")) == len(before) - 1
    inputs = ACTIONS["mailbox.delete_inbox_rule"].reversal_inputs(done)
    assert inputs is not None
    assert "id" not in inputs["rule"]
    carry_out(client, "mailbox.restore_inbox_rule", rule, **inputs)
    after = vendor.records(f"rules:{victim.external_id}")
    assert len(after) == len(before)
    restored = next(r for r in after if r["displayName"] == ".")
    lost = next(r for r in before if r["displayName"] == ".")
    assert restored["actions"] == lost["actions"]
    assert restored["conditions"] == lost["conditions"]
    assert len(vendor.control.effects("rule.add")) == 1


def test_what_is_gone_already_needs_no_deleting(vendor, client, victim) -> None:
    rule = rule_of(vendor, victim)
    carry_out(client, "mailbox.delete_inbox_rule", rule)
    again = carry_out(client, "mailbox.delete_inbox_rule", rule)
    assert ACTIONS["mailbox.delete_inbox_rule"].reversal_inputs(again) is None
    carry_out(client, "mailbox.disable_inbox_rule", rule)
    with pytest.raises(NotFound):
        carry_out(client, "mailbox.enable_inbox_rule", rule)


def test_a_rule_by_its_bare_id_needs_its_account(vendor, client, victim) -> None:
    rule = rule_of(vendor, victim)
    bare = replace(rule, external_id=rule.external_id.split("/", 1)[1])
    carry_out(client, "mailbox.disable_inbox_rule", bare)
    with pytest.raises(Rejected, match="which account"):
        carry_out(client, "mailbox.disable_inbox_rule", replace(bare, parent_external_id=""))


def test_forwarding_is_removed_and_restored(vendor, client, victim) -> None:
    mailbox = replace(victim, kind="mailbox")
    done = carry_out(client, "mailbox.remove_forwarding", mailbox)
    inputs = ACTIONS["mailbox.remove_forwarding"].reversal_inputs(done)
    assert inputs is not None
    assert inputs["forwarding"]["smtp_address"] == "invoices.archive@collector.example"
    again = carry_out(client, "mailbox.remove_forwarding", mailbox)
    assert ACTIONS["mailbox.remove_forwarding"].reversal_inputs(again) is None
    carry_out(client, "mailbox.restore_forwarding", mailbox, **inputs)


def test_a_phone_is_removed_and_registered_again(vendor, client, victim) -> None:
    phone = method_of(vendor, victim, "phoneAuthenticationMethod")
    done = carry_out(client, "identity.remove_auth_method", phone)
    inputs = ACTIONS["identity.remove_auth_method"].reversal_inputs(done)
    assert inputs is not None
    restored = carry_out(client, "identity.restore_auth_method", phone, **inputs)
    assert ACTIONS["identity.restore_auth_method"].reversal_inputs(restored) == {}
    assert len(vendor.control.effects("auth_method.add")) == 1


def test_an_authenticator_can_not_be_restored_and_says_why(vendor, client, victim) -> None:
    app = method_of(vendor, victim, "microsoftAuthenticator")
    done = carry_out(client, "identity.remove_auth_method", app)
    assert ACTIONS["identity.remove_auth_method"].reversal_inputs(done) is None
    assert "Only the user" in done.snapshot["reason"]


def test_a_password_is_no_method_to_remove(vendor, client, victim) -> None:
    password = method_of(vendor, victim, "passwordAuthenticationMethod")
    action = ACTIONS["identity.remove_auth_method"]
    with pytest.raises(Rejected, match="password"):
        action.call(client, intend(client, action, password))


def test_a_user_that_does_not_exist(client, victim) -> None:
    action = ACTIONS["identity.disable_sign_in"]
    with pytest.raises(NotFound):
        intend(client, action, replace(victim, external_id="00000000-0000-0000-0000-00000000dead"))


def test_a_lost_answer_is_an_unknown_outcome_and_settled_by_reading_back(
    vendor, client, victim
) -> None:
    action = ACTIONS["identity.disable_sign_in"]
    intention = intend(client, action, victim)
    vendor.control.fault("drop_after_effect", method="PATCH", times=1)
    with pytest.raises(OutcomeUnknown):
        action.call(client, intention)
    assert action.read_back(client, intention).holds
    assert len(vendor.control.effects("user.disable")) == 1


def test_a_slow_write_is_an_unknown_outcome(vendor, victim) -> None:
    client = vendor.connect(replace(QUICK, read=0.3))
    action = ACTIONS["identity.revoke_sessions"]
    intention = intend(client, action, victim)
    vendor.control.fault("slow", method="POST", path="revokeSignInSessions", seconds=1.5, times=1)
    with pytest.raises(OutcomeUnknown):
        action.call(client, intention)
    client.close()


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_write_that_fails_at_the_vendor_may_have_been_done(
    vendor, client, victim, status
) -> None:
    action = ACTIONS["identity.disable_sign_in"]
    intention = intend(client, action, victim)
    vendor.control.fault("server_error", method="PATCH", status=status)
    with pytest.raises(OutcomeUnknown):
        action.call(client, intention)
    assert len(vendor.requests(victim.external_id)) == 2


def test_a_throttled_write_is_not_repeated(vendor, client, victim) -> None:
    action = ACTIONS["identity.disable_sign_in"]
    intention = intend(client, action, victim)
    vendor.control.fault("throttle", method="PATCH", retry_after=7)
    with pytest.raises(Throttled) as caught:
        action.call(client, intention)
    assert caught.value.retry_after == 7
    assert not vendor.control.effects("user.disable")


def test_a_missing_permission_is_named(vendor, client, victim) -> None:
    action = ACTIONS["identity.disable_sign_in"]
    intention = intend(client, action, victim)
    granted = [p for p in vendor.tenant["apps"][0]["permissions"] if "EnableDisable" not in p]
    vendor.control.permissions(granted, vendor.tenant["id"])
    fresh = vendor.connect()
    with pytest.raises(PermissionMissing, match=r"User\.EnableDisableAccount\.All"):
        action.call(fresh, intention)
    fresh.close()


def test_an_effect_that_shows_late_is_not_believed_early(vendor, client, victim) -> None:
    action = ACTIONS["identity.disable_sign_in"]
    intention = intend(client, action, victim)
    vendor.control.fault("stale_reads", method="PATCH", reads=2, times=1)
    action.call(client, intention)
    seen = [action.read_back(client, intention).holds for _ in range(4)]
    assert not seen[0]
    assert seen[-1]


def test_each_permission_of_an_action_is_enough(vendor, victim) -> None:
    """With exactly what the manifest asks for, and no more, the action works."""
    rule, phone = rule_of(vendor, victim), method_of(vendor, victim, "phone")
    targets = {"mailbox_rule": rule, "auth_method": phone}
    for name in (
        "identity.revoke_sessions", "identity.disable_sign_in", "identity.enable_sign_in",
        "identity.reset_password", "identity.remove_auth_method", "mailbox.disable_inbox_rule",
        "mailbox.delete_inbox_rule", "mailbox.remove_forwarding",
    ):  # fmt: skip
        target = targets.get(catalog.get(name).target, victim)
        vendor.control.permissions(list(ACTIONS[name].permissions), vendor.tenant["id"])
        client = vendor.connect()
        carry_out(client, name, target)
        client.close()
