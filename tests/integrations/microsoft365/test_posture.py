"""Emergency accounts, settings that drifted, and what the directory knows of employment."""

import pytest

from integrations import registry
from integrations.connectors.microsoft365 import posture
from integrations.contract import Target

EVERYBODY = {
    "users": {"includeUsers": ["All"]},
    "applications": {"includeApplications": ["All"]},
    "clientAppTypes": ["all"],
}
MFA = {"operator": "OR", "builtInControls": ["mfa"]}
BLOCK = {"operator": "OR", "builtInControls": ["block"]}


def policy(state: str = "disabled", grant: dict = MFA, **conditions) -> dict:
    return {"id": "p1", "displayName": "One", "state": state, "grantControls": grant,
            "conditions": {**EVERYBODY, **conditions}}  # fmt: skip


def ids(authorization: dict, *policies: dict, has_security_defaults: bool = False) -> list[str]:
    found = posture.drift(authorization, policies, has_security_defaults=has_security_defaults)
    return [one.id for one in found]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (policy(), ["MS.AAD.3.2v2:p1"]),
        (policy(state="enabled"), []),
        (policy(state="enabledForReportingButNotEnforced"), ["MS.AAD.3.2v2:p1"]),
        (policy(grant={"authenticationStrength": {"id": "strong"}}), ["MS.AAD.3.2v2:p1"]),
        (policy(users={"includeUsers": ["someone"]}), []),
        (policy(applications={"includeApplications": ["one"]}), []),
        (policy(signInRiskLevels=["high"]), []),
        (policy(grant=BLOCK, clientAppTypes=["exchangeActiveSync", "other"]),
         ["MS.AAD.1.1v1:p1"]),
        (policy(grant=BLOCK, clientAppTypes=["other"]), []),
        (policy(grant=BLOCK, userRiskLevels=["high"]), ["MS.AAD.2.1v1:p1"]),
        (policy(grant=BLOCK, signInRiskLevels=["high", "medium"]), ["MS.AAD.2.3v1:p1"]),
        (policy(grant=BLOCK, signInRiskLevels=["low"]), []),
    ],
)  # fmt: skip
def test_a_policy_that_would_do_and_is_off(one, expected) -> None:
    assert ids({}, one) == expected


def test_one_policy_in_force_is_enough() -> None:
    assert ids({}, policy(), policy(state="enabled")) == []


def test_where_security_defaults_are_on_policies_can_not_be() -> None:
    assert ids({}, policy(), has_security_defaults=True) == []


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ({"defaultUserRolePermissions": {"allowedToCreateApps": True}}, {"MS.AAD.5.1v1": True}),
        ({"defaultUserRolePermissions": {"permissionGrantPoliciesAssigned": [
            "ManagePermissionGrantsForSelf.microsoft-user-default-legacy",
            "ManagePermissionGrantsForOwnedResource.one"]}}, {"MS.AAD.5.2v1": True}),
        ({"guestUserRoleId": "a0b1b346-4d3e-4e8b-98f8-753987be4970"}, {"MS.AAD.8.1v1": True}),
        ({"guestUserRoleId": "2af84b1e-32c8-42b7-82bc-daa82404023b"}, {"MS.AAD.8.1v1": False}),
        ({"guestUserRoleId": "10dae51f-b6af-4016-8d66-8c2a99b929b3"}, {}),
        ({"allowInvitesFrom": "everyone"}, {"MS.AAD.8.2v1": True}),
        ({"allowInvitesFrom": "none"}, {"MS.AAD.8.2v1": False}),
        ({"allowInvitesFrom": "AdminsAndGuestInviters"}, {}),
    ],
)  # fmt: skip
def test_settings_of_the_organisation(authorization, expected) -> None:
    found = posture.drift(authorization, [], has_security_defaults=False)
    assert {one.id: one.is_weaker for one in found} == expected


def test_other_grants_are_kept() -> None:
    told = {"permissionGrantPoliciesAssigned": ["ManagePermissionGrantsForSelf.x", "Others.y"]}
    found = posture.drift({"defaultUserRolePermissions": told}, [], has_security_defaults=False)
    assert found[0].wanted == {
        "defaultUserRolePermissions": {"permissionGrantPoliciesAssigned": ["Others.y"]}
    }


def test_what_was_weakened_is_corrected_and_put_back(vendor, ask, carry_out) -> None:
    assert ask("posture.list_drift") == {"settings": []}
    vendor.act("weaken")
    settings = ask("posture.list_drift")["settings"]
    assert {one["external_id"].partition(":")[0] for one in settings} == {
        "MS.AAD.1.1v1", "MS.AAD.5.1v1", "MS.AAD.5.2v1", "MS.AAD.8.2v1",
    }  # fmt: skip
    undoing = []
    for one in settings:
        target = Target("policy_setting", "", one["external_id"], one["name"])
        seen, inputs = carry_out("posture.correct_setting", target, wanted=one["wanted"])
        assert seen.holds
        undoing.append((target, inputs))
    assert ask("posture.list_drift") == {"settings": []}
    for target, inputs in undoing:
        seen, back = carry_out("posture.restore_setting", target, **inputs)
        assert seen.holds
        assert "wanted" in back
    again = ask("posture.list_drift")["settings"]
    assert {one["external_id"] for one in again} == {one["external_id"] for one in settings}


def emergency(ask) -> dict:
    (found,) = ask("identity.get_break_glass_state")["accounts"]
    return found


def test_an_emergency_account_in_its_safe(vendor, ask) -> None:
    found = emergency(ask)
    assert found["name"] == "emergency.access@contoso-clinic.example"
    assert found["is_enabled"]
    assert found["is_excluded_from_policies"]
    assert found["last_tested_days"] is None
    assert found["unexpected_sign_ins"] == 0


def test_an_emergency_account_that_a_policy_binds(vendor, ask) -> None:
    one = next(iter(vendor.records("conditionalAccessPolicies")))
    bound = one["conditions"] | {"users": one["conditions"]["users"] | {"excludeUsers": []}}
    vendor.put("conditionalAccessPolicies", one | {"conditions": bound})
    assert not emergency(ask)["is_excluded_from_policies"]
    vendor.put("conditionalAccessPolicies", one | {"conditions": bound, "state": "disabled"})
    assert emergency(ask)["is_excluded_from_policies"]


def test_an_emergency_account_that_is_excluded_by_its_group(vendor, ask) -> None:
    group = next(g for g in vendor.records("groups") if g["displayName"] == "MFA Exclusions")
    vendor.put(f"members:{group['id']}", {"id": vendor.user("emergency.access")["id"]})
    for one in vendor.records("conditionalAccessPolicies"):
        users = one["conditions"]["users"] | {"excludeUsers": [], "excludeGroups": [group["id"]]}
        changed = one["conditions"] | {"users": users}
        vendor.put("conditionalAccessPolicies", one | {"conditions": changed})
    assert emergency(ask)["is_excluded_from_policies"]


def test_security_defaults_bind_everybody(vendor, ask) -> None:
    name = "identitySecurityDefaultsEnforcementPolicy"
    defaults = next(p for p in vendor.records("policies") if p["id"] == name)
    vendor.put("policies", defaults | {"isEnabled": True})
    assert not emergency(ask)["is_excluded_from_policies"]


def test_a_test_from_the_office_is_expected_and_a_stranger_is_not(vendor, ask) -> None:
    vendor.act("try_emergency_account")
    tried = emergency(ask)
    assert tried["unexpected_sign_ins"] == 0
    assert tried["last_tested_days"] == 0
    vendor.act("strange_sign_in", user="emergency.access")
    assert emergency(ask)["unexpected_sign_ins"] == 1


def test_an_administrator_in_daily_use_is_no_emergency_account(ask) -> None:
    names = {a["name"] for a in ask("identity.list_privileged_accounts")["accounts"]}
    assert "sam.adeyemi@contoso-clinic.example" in names
    assert emergency(ask)["name"] != "sam.adeyemi@contoso-clinic.example"


def test_the_connection_may_name_the_emergency_accounts(vendor) -> None:
    named = "Svc.Backup@contoso-clinic.example, nobody@contoso-clinic.example"
    client = vendor.connect(emergency_accounts=named)
    state = registry.gatherer("microsoft365", "identity.get_break_glass_state")
    accounts = state.gather(client, vendor.account("svc.backup"), {})["accounts"]
    assert [a["name"] for a in accounts] == ["svc.backup@contoso-clinic.example"]
    client.close()


@pytest.mark.parametrize(
    ("last_day", "status"),
    [(None, "unknown"), ("2026-01-31T00:00:00Z", "leaver"), ("2099-12-31T00:00:00Z", "active")],
)
def test_employment_by_the_last_day(vendor, ask, last_day, status) -> None:
    vendor.put("users", vendor.user("priya.shah") | {"employeeLeaveDateTime": last_day})
    told = ask("hr.get_employment")
    assert (told["status"], told["last_day"]) == (status, (last_day or "")[:10])
