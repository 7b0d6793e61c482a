"""What an account was given, and who else has what: questions and actions over real HTTP."""

import datetime as dt

import pytest

from integrations.contract import Target
from integrations.errors import Rejected


def target_of(kind: str, item: dict, owner: Target) -> Target:
    return Target(kind, "", item["external_id"], item["name"], owner.external_id)


def test_an_unknown_app_that_reads_mail_is_risky(ask, vendor) -> None:
    assert ask("identity.list_oauth_grants") == {"grants": []}
    vendor.act("consent_to_app", user="priya.shah")
    grant = ask("identity.list_oauth_grants")["grants"][0]
    assert grant["name"] == "Mail Helper"
    assert grant["scopes"] == ["Mail.Read", "offline_access"]
    assert (grant["is_risky"], grant["is_recent"], grant["is_verified"]) == (True, True, False)


def test_an_old_app_of_a_verified_maker_is_not_risky(vendor, ask) -> None:
    vendor.act("consent_to_app", user="priya.shah", at="2026-01-01T00:00:00Z")
    app = next(p for p in vendor.records("servicePrincipals") if p["displayName"] == "Mail Helper")
    assert ask("identity.list_oauth_grants")["grants"][0]["is_risky"]
    vendor.put("servicePrincipals", app | {"verifiedPublisher": {"displayName": "Fabrikam"}})
    grant = ask("identity.list_oauth_grants")["grants"][0]
    assert (grant["publisher"], grant["is_verified"]) == ("Fabrikam", True)
    assert not grant["is_risky"]


def test_an_app_that_reads_little_is_not_risky(ask, vendor) -> None:
    vendor.act("consent_to_app", user="priya.shah", scope="User.Read openid")
    assert not ask("identity.list_oauth_grants")["grants"][0]["is_risky"]


def test_what_everybody_allows_is_nobodys_own(vendor, ask) -> None:
    assert [g["consentType"] for g in vendor.records("oauth2PermissionGrants")] == ["AllPrincipals"]
    assert ask("identity.list_oauth_grants")["grants"] == []


def test_a_role_tells_who_gave_it_and_when(ask, vendor) -> None:
    vendor.act("grant_role", user="priya.shah", role="Exchange Administrator", by="sam.adeyemi")
    vendor.act("grant_role", user="priya.shah", role="Security Reader", by="sam.adeyemi",
        at="2026-01-01T00:00:00Z")  # fmt: skip
    found = {a["name"]: a for a in ask("identity.list_role_assignments")["assignments"]}
    lately, long_ago = found["Exchange Administrator"], found["Security Reader"]
    assert lately["is_recent"]
    assert lately["is_privileged"]
    assert lately["granted_by"] == "sam.adeyemi@contoso-clinic.example"
    assert not long_ago["is_recent"]
    assert not any(a["is_eligible"] for a in found.values())


def test_a_role_that_can_be_switched_on_is_taken_away_and_given_back(
    vendor, victim, ask, carry_out
) -> None:
    vendor.act("grant_role", user="priya.shah", role="User Administrator", by="sam.adeyemi",
        is_eligible=True)  # fmt: skip
    eligible = ask("identity.list_role_assignments")["assignments"][0]
    assert eligible["is_eligible"]
    assert eligible["is_recent"]
    seen, inputs = carry_out("identity.remove_role", target_of("role_assignment", eligible, victim))
    assert seen.holds
    assert vendor.records("roleEligibilityScheduleInstances") == []
    target = target_of("role_assignment", eligible, victim)
    assert carry_out("identity.remove_role", target)[1] is None
    seen, _ = carry_out("identity.restore_role", target, **inputs)
    assert seen.holds
    assert ask("identity.list_role_assignments")["assignments"][0]["is_eligible"]


def test_a_role_that_was_switched_on_is_told_from_one_that_was_given(ask, vendor) -> None:
    """Microsoft's log calls both “Add member to role”, and the first is an administrator's day."""
    long_ago = (dt.datetime.now(dt.UTC) - dt.timedelta(days=20)).isoformat()
    given = {"user": "priya.shah", "role": "User Administrator"}
    vendor.act("grant_role", **given, by="sam.adeyemi", is_eligible=True, at=long_ago)
    vendor.act("grant_role", **given, by="priya.shah", is_activated=True)
    vendor.act("grant_role", user="priya.shah", role="Exchange Administrator", by="sam.adeyemi")
    found = ask("identity.list_role_assignments")["assignments"]
    told = {(a["name"], a["is_eligible"]): (a["is_activated"], a["is_recent"]) for a in found}
    assert told == {
        ("User Administrator", False): (True, True),
        ("User Administrator", True): (False, False),
        ("Exchange Administrator", False): (False, True),
    }


@pytest.mark.parametrize("is_told", [True, False])
def test_a_role_given_for_good_to_who_may_switch_it_on_was_not_switched_on(
    ask, vendor, is_told
) -> None:
    given = {"user": "priya.shah", "role": "User Administrator", "by": "sam.adeyemi"}
    vendor.act("grant_role", **given, is_eligible=True)
    vendor.act("grant_role", **given, is_activated=not is_told)
    if not is_told:
        vendor.control.fault("refuse", path="roleAssignmentScheduleInstances", status=400)
    found = ask("identity.list_role_assignments")["assignments"]
    assert {(a["is_eligible"], a["is_activated"]) for a in found} == {(True, False), (False, False)}


def test_without_the_licence_for_eligible_roles_the_others_are_told(vendor, ask) -> None:
    vendor.act("grant_role", user="priya.shah", role="Security Reader", by="sam.adeyemi")
    vendor.control.fault("refuse", path="roleEligibilityScheduleInstances", status=400)
    found = ask("identity.list_role_assignments")["assignments"]
    assert [a["name"] for a in found] == ["Security Reader"]


def test_groups_that_a_rule_fills_are_not_left(vendor, victim, ask, carry_out) -> None:
    groups = {g["name"]: g for g in ask("identity.list_groups")["groups"]}
    assert set(groups) == {"All Staff", "Finance"}
    assert all(g["is_removable"] for g in groups.values())
    staff = next(g for g in vendor.records("groups") if g["displayName"] == "All Staff")
    vendor.put("groups", staff | {"groupTypes": ["DynamicMembership"],
                                   "membershipRule": "user.accountEnabled -eq true"})  # fmt: skip
    groups = {g["name"]: g for g in ask("identity.list_groups")["groups"]}
    assert not groups["All Staff"]["is_removable"]
    with pytest.raises(Rejected, match="follow from a rule"):
        carry_out(
            "identity.remove_from_group", target_of("group_membership", groups["All Staff"], victim)
        )


def test_distribution_lists_are_left_through_exchange(vendor, victim, ask, carry_out) -> None:
    finance = next(g for g in vendor.records("groups") if g["displayName"] == "Finance")
    vendor.put("groups", finance | {"mailEnabled": True, "mail": "finance@contoso-clinic.example"})
    group = next(g for g in ask("identity.list_groups")["groups"] if g["name"] == "Finance")
    target = target_of("group_membership", group, victim)
    seen, inputs = carry_out("identity.remove_from_group", target)
    assert seen.holds
    assert inputs == {}
    seen, _ = carry_out("identity.add_to_group", target)
    assert seen.holds
    assert [line["cmdlet"] for line in vendor.requests("/InvokeCommand")] == [
        "Remove-DistributionGroupMember", "Add-DistributionGroupMember",
    ]  # fmt: skip


def test_licences_of_a_group_go_with_the_group(vendor, victim, ask) -> None:
    assert [one["name"] for one in ask("identity.list_licences")["licences"]] == ["SPB"]
    user = vendor.user("priya.shah")
    sku = user["assignedLicenses"][0]["skuId"]
    state = {"skuId": sku, "assignedByGroup": "11111111-1111-1111-1111-111111111111",
             "disabledPlans": [], "state": "Active", "error": "None",
             "lastUpdatedDateTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    vendor.put("users", user | {"licenseAssignmentStates": [state]})
    assert ask("identity.list_licences") == {"licences": []}


def test_a_licence_comes_back_with_what_was_switched_off(vendor, victim, ask, carry_out) -> None:
    user = vendor.user("priya.shah")
    licence = user["assignedLicenses"][0] | {
        "disabledPlans": ["9aaf7827-d63c-4b61-89c3-182f06f82e5c"]
    }
    vendor.put("users", user | {"assignedLicenses": [licence]})
    target = target_of("licence", ask("identity.list_licences")["licences"][0], victim)
    _, inputs = carry_out("identity.remove_licence", target)
    assert vendor.user("priya.shah")["assignedLicenses"] == []
    carry_out("identity.assign_licence", target, **inputs)
    assert vendor.user("priya.shah")["assignedLicenses"] == [licence]


def test_a_prompt_that_was_accepted_at_last(ask, vendor) -> None:
    assert ask("identity.list_mfa_prompts")["count"] == 0
    vendor.act("weary", user="priya.shah", prompts=4)
    found = ask("identity.list_mfa_prompts")
    assert (found["count"], found["denied"]) == (5, 4)
    assert found["approved_after_denials"]
    assert found["prompts"][0]["is_passed"]


def test_prompts_that_were_all_refused(ask, vendor) -> None:
    vendor.act("weary", user="priya.shah", prompts=3, is_accepted=False)
    found = ask("identity.list_mfa_prompts")
    assert found["denied"] == 3
    assert not found["approved_after_denials"]


def test_one_address_tried_many_accounts(vendor, ask) -> None:
    tried = ["anna.berg", "tom.okafor", "daniel.meyer", "marta.kowalska"]
    vendor.act("spray", users=tried[:-1], succeeds_for="daniel.meyer")
    found = ask("identity.list_source_activity", vendor.account("anna.berg"))
    assert found == {
        "sources": ["198.51.100.80"], "accounts_tried": 3, "accounts_succeeded": 1, "failures": 2,
    }  # fmt: skip
    assert ask("identity.list_source_activity", vendor.account("marta.kowalska"))["sources"] == []


def test_administrators_with_their_second_factor(ask) -> None:
    found = {a["name"].split("@")[0]: a for a in
             ask("identity.list_privileged_accounts")["accounts"]}  # fmt: skip
    assert set(found) == {"sam.adeyemi", "emergency.access"}
    assert found["sam.adeyemi"]["roles"] == ["Global Administrator"]
    assert found["sam.adeyemi"]["is_mfa_registered"]
    assert found["sam.adeyemi"]["last_sign_in_days"] < 7
    assert not found["emergency.access"]["is_mfa_registered"]


def test_accounts_that_nobody_uses(vendor, ask) -> None:
    names = {a["name"].split("@")[0] for a in
             ask("identity.list_inactive_accounts", days=90)["accounts"]}  # fmt: skip
    assert "emergency.access" in names
    assert "svc.backup" in names
    assert "priya.shah" not in names
    # The leaver's account is blocked already.
    assert "peter.gone" not in names
    assert ask("identity.list_inactive_accounts", days=3650)["accounts"] == []
