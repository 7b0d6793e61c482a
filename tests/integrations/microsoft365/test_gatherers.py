"""The investigation's questions over real HTTP, in the shapes that playbooks read."""

import datetime as dt

import pytest

from integrations.connectors.microsoft365.manifest import MANIFEST

GATHERERS = {gatherer.name: gatherer for gatherer in MANIFEST.gatherers}


def test_the_account(vendor, ask, victim) -> None:
    account = ask("identity.get_account")["account"]
    assert account["id"] == victim.external_id
    assert account["username"] == "priya.shah@contoso-clinic.example"
    assert account["is_enabled"] is True
    assert account["is_privileged"] is False
    assert account["source_of_authority"] == "cloud"
    assert account["manager"] == ""
    boss = vendor.user("sam.adeyemi")["id"]
    vendor.put("users", vendor.user("priya.shah") | {"manager": boss})
    assert ask("identity.get_account")["account"]["manager"] == boss
    admin = ask("identity.get_account", vendor.account("sam.adeyemi"))["account"]
    assert admin["is_privileged"] is True
    assert admin["roles"] == ["Global Administrator"]


def test_sign_ins_tell_the_unusual_from_the_usual(ask) -> None:
    found = ask("identity.list_sign_ins", days=14)
    assert found["countries"] == ["GB"]
    assert "NG" in found["unusual_countries"]
    assert found["suspicious_successes"] >= 1
    suspicious = [s for s in found["sign_ins"] if s["is_suspicious"]]
    assert found["first_suspicious_at"] == min(s["time"] for s in suspicious)
    assert any(s["is_anonymised"] for s in suspicious)
    assert not any(s["is_suspicious"] for s in found["sign_ins"] if s["country"] == "GB")
    times = [s["time"] for s in found["sign_ins"]]
    assert times == sorted(times, reverse=True)


def test_what_came_since_the_case_began_is_not_usual(ask) -> None:
    began = (dt.datetime.now(dt.UTC) - dt.timedelta(days=20)).isoformat()
    found = ask("identity.list_sign_ins", days=14, since=began)
    assert (found["countries"], "GB" in found["unusual_countries"]) == ([], True)


def test_only_the_asked_days_are_read(ask) -> None:
    week, fortnight = (ask("identity.list_sign_ins", days=d)["count"] for d in (2, 30))
    assert week < fortnight


def test_an_account_that_nothing_happened_to(vendor, ask) -> None:
    other = vendor.account("anna.berg")
    found = ask("identity.list_sign_ins", other)
    assert found["unusual_countries"] == []
    assert found["suspicious_successes"] == 0
    assert found["first_suspicious_at"] is None
    risk = ask("identity.list_risk_detections", other)
    assert risk["user_risk_level"] == "none"
    assert not any(r["is_suspicious"] for r in ask("mailbox.list_inbox_rules", other)["rules"])
    assert ask("mailbox.get_forwarding", other) == {
        "forwarding": {"smtp_address": None, "recipient": None, "keeps_copy": False},
        "is_forwarding": False,
        "forwards_outside": False,
    }


def test_the_phone_of_the_attack_is_recent_and_the_old_one_is_not(ask) -> None:
    methods = ask("identity.list_auth_methods")["methods"]
    phones = {m["name"]: m for m in methods if m["kind"] == "phone"}
    assert {name: m["is_recent"] for name, m in phones.items()} == {
        "+44 7700 900102": False, "+234 8000000123": True,
    }  # fmt: skip
    assert all(m["is_restorable"] for m in phones.values())
    by_kind = {m["kind"]: m for m in methods}
    assert by_kind["password"]["is_removable"] is False
    assert by_kind["authenticator"]["is_restorable"] is False


def test_what_counts_as_recent_can_be_asked(ask) -> None:
    methods = ask("identity.list_auth_methods", since="2020-01-01T00:00:00Z")["methods"]
    assert all(m["is_recent"] for m in methods)


def test_a_method_without_date_is_recent_if_the_audit_says_so(vendor, ask, victim) -> None:
    for method in vendor.records(f"methods:{victim.external_id}"):
        undated = {**method, "createdDateTime": None}
        vendor.control.act("put", tenant=vendor.tenant["id"],
                           collection=f"methods:{victim.external_id}", record=undated)  # fmt: skip
    methods = ask("identity.list_auth_methods")["methods"]
    assert {m["kind"] for m in methods if m["is_recent"]} == {"phone"}


def test_risk_and_changes(ask) -> None:
    risk = ask("identity.list_risk_detections")
    assert risk["user_risk_level"] == "high"
    assert risk["user_risk_state"] == "atRisk"
    assert {d["kind"] for d in risk["detections"]} >= {"unfamiliarFeatures"}
    changes = ask("identity.list_directory_changes")
    assert changes["methods_registered"]
    registered = changes["methods_registered"][0]
    assert registered["initiated_by"] == "priya.shah@contoso-clinic.example"
    assert all(c["is_success"] for c in changes["changes"])


def test_without_the_licence_nobody_rates_a_risk_and_that_is_told(vendor, ask) -> None:
    """Entra ID P1, as many small companies have it: the permission is granted, and no use."""
    vendor.control.fault("refuse", path="riskyUsers", status=403)
    risk = ask("identity.list_risk_detections")
    assert (risk["user_risk_level"], risk["user_risk_state"]) == ("not licensed", "not licensed")
    assert risk["detections"]
    vendor.control.fault("refuse", path="riskDetections", status=403)
    vendor.control.fault("refuse", path="riskyUsers", status=403)
    assert ask("identity.list_risk_detections")["detections"] == []


def test_the_rule_of_the_attack_is_suspicious_and_says_why(ask) -> None:
    rules = {r["name"]: r for r in ask("mailbox.list_inbox_rules")["rules"]}
    rule = rules.pop(".")
    assert rule["is_suspicious"]
    assert rule["forwards_outside"]
    assert rule["deletes"]
    assert any("outside the organisation" in why for why in rule["why"])
    assert "id" not in rule["rule"]
    assert not any(r["is_suspicious"] for r in rules.values())


def test_folder_names_are_used_where_they_may_be_read(vendor, victim) -> None:
    granted = [*vendor.tenant["apps"][0]["permissions"], "Mail.ReadBasic.All"]
    vendor.control.permissions(granted, vendor.tenant["id"])
    client = vendor.connect()
    found = GATHERERS["mailbox.list_inbox_rules"].gather(client, victim, {})["rules"]
    rule = next(r for r in found if r["name"] == ".")
    assert rule["moves_to"] == "RSS Feeds"
    assert any("nobody reads (RSS Feeds)" in why for why in rule["why"])
    client.close()


def test_forwarding_to_the_outside(ask) -> None:
    assert ask("mailbox.get_forwarding") == {
        "forwarding": {
            "smtp_address": "invoices.archive@collector.example",
            "recipient": None,
            "keeps_copy": True,
        },
        "is_forwarding": True,
        "forwards_outside": True,
    }


def test_a_guest_has_no_mailbox(vendor, ask) -> None:
    guest = next(u for u in vendor.records("users") if u["userType"] == "Guest")
    target = vendor.account(guest["userPrincipalName"].split("@")[0])
    assert ask("mailbox.list_inbox_rules", target) == {"rules": [], "has_mailbox": False}
    assert ask("mailbox.get_forwarding", target)["is_forwarding"] is False


@pytest.mark.parametrize("name", sorted(GATHERERS))
def test_each_question_needs_only_the_permissions_of_the_manifest(vendor, name) -> None:
    target = vendor.asked_about(name)
    vendor.control.permissions(list(GATHERERS[name].permissions), vendor.tenant["id"])
    client = vendor.connect()
    assert GATHERERS[name].gather(client, target, {})
    client.close()
