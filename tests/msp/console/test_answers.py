"""What gathered answers say in words."""

import pytest

from integrations import catalog, registry
from msp.console.answers import in_words


@pytest.mark.parametrize(
    ("gatherer", "facts", "said"),
    [
        (
            "identity.get_account",
            {"account": {"is_enabled": True, "roles": ["Global Administrator"]}},
            "Sign-in is allowed; Global Administrator.",
        ),
        (
            "identity.get_account",
            {"account": {"is_enabled": False, "source_of_authority": "active_directory"}},
            "Sign-in is blocked; no administrator's role; governed by Active Directory.",
        ),
        (
            "identity.list_sign_ins",
            {"count": 14, "suspicious_successes": 2, "unusual_countries": ["MD", "NG"]},
            "14 sign-ins; 2 suspicious ones succeeded; unusual countries: MD, NG.",
        ),
        ("identity.list_sign_ins", {"count": 1}, "1 sign-in; no suspicious one succeeded."),
        (
            "identity.list_auth_methods",
            {"methods": [{"name": "+234 800", "is_recent": True}, {"name": "password"}]},
            "2 sign-in methods; added lately: +234 800.",
        ),
        (
            "identity.list_risk_detections",
            {"detections": [{}], "user_risk_level": "high"},
            "1 detection; the provider rates the user's risk as high.",
        ),
        (
            "identity.list_directory_changes",
            {"changes": [{}, {}], "methods_registered": [{"method": "Phone"}, {"method": "Phone"}]},
            "2 changes; Phone.",
        ),
        ("mailbox.list_inbox_rules", {"rules": [{"name": "a"}]}, "1 rule; none suspicious."),
        (
            "mailbox.get_forwarding",
            {
                "is_forwarding": True,
                "forwards_outside": True,
                "forwarding": {"smtp_address": "x@elsewhere.example"},
            },
            "All mail is forwarded to x@elsewhere.example, outside the organisation.",
        ),
        ("mailbox.get_forwarding", {"is_forwarding": False}, "Mail is not forwarded."),
        (
            "identity.list_source_activity",
            {"sources": [{}, {}], "accounts_tried": 14, "accounts_succeeded": 0, "failures": 40},
            "2 addresses; 14 accounts tried; got into none; 40 attempts failed.",
        ),
        (
            "identity.list_oauth_grants",
            {"grants": [{"name": "Poll", "is_recent": True, "is_risky": True}, {"name": "Zoom"}]},
            "2 apps allowed; lately: Poll (far-reaching, of an unknown maker).",
        ),
        (
            "identity.list_role_assignments",
            {
                "assignments": [
                    {"name": "Global Administrator", "is_recent": True, "granted_by": "ben"},
                    {"name": "User Administrator", "is_eligible": True},
                ]
            },
            "Global Administrator (for good, lately, given by ben); User Administrator (may be "
            "switched on, for longer).",
        ),
        (
            "identity.get_replication_right",
            {
                "may_replicate": True,
                "rights_changed_at": "2023-03-02T10:00:00+00:00",
                "through": ["svc-idsync"],
            },
            "May copy the whole directory, through svc-idsync; who may was last changed on "
            "2023-03-02.",
        ),
        (
            "endpoint.list_file_changes",
            {"changed": 900, "renamed": 850, "ransom_notes": 1, "shadow_copies_deleted": True},
            "900 files changed; 850 renamed; a demand for money was left (1 name); saved earlier "
            "versions were deleted.",
        ),
        (
            "endpoint.list_connections",
            {"connections": [{"name": "203.0.113.9", "is_malicious": True}, {"name": "a.example"}]},
            "2 connections; known as harmful: 203.0.113.9.",
        ),
        (
            "email.get_message",
            {"message": {"subject": "Invoice", "sender": "a@b.example", "has_malicious_url": True}},
            "“Invoice”; from a@b.example; carries a harmful link.",
        ),
        (
            "mailbox.list_inbox_rules",
            {"rules": [{"name": "..", "is_suspicious": True}]},
            "1 rule; suspicious: “..”.",
        ),
        (
            "hr.get_employment",
            {"status": "leaver", "last_day": "2026-10-31", "source": "Ann"},
            "Has left; last day 2026-10-31; as Ann says.",
        ),
        ("identity.list_groups", {"groups": []}, "No groups."),
        (
            "identity.list_groups",
            {"groups": [{"name": "Finance"}, {"name": "Staff"}]},
            "2 groups: Finance, Staff.",
        ),
        ("identity.list_licences", {"licences": [{"name": "E3"}]}, "1 licence: E3."),
        (
            "identity.list_mfa_prompts",
            {"count": 9, "denied": 8, "approved_after_denials": True},
            "9 requests to confirm; 8 refused; one was then confirmed.",
        ),
        (
            "endpoint.get_device",
            {"device": {"hostname": "PC-7", "is_isolated": True, "is_server": True, "os": "Linux"}},
            "PC-7; cut off the network; a server; Linux.",
        ),
        ("endpoint.get_device", {"device": {"hostname": "PC-7", "is_isolated": None}}, "PC-7."),
        (
            "endpoint.list_alerts",
            {"alerts": [{}, {}], "count": 2, "high": 1},
            "2 alerts; 1 of high severity.",
        ),
        (
            "endpoint.list_processes",
            {"processes": [{"name": "a.exe", "is_suspicious": True, "is_running": True}, {}]},
            "1 suspicious program: a.exe; still running: 1.",
        ),
        (
            "endpoint.list_files",
            {
                "files": [
                    {"name": "a.exe", "is_malicious": True, "is_quarantined": False},
                    {"name": "b.exe", "is_malicious": True, "is_quarantined": True},
                    {"name": "c.exe", "is_malicious": False},
                ]
            },
            "2 harmful files; not locked away: a.exe.",
        ),
        ("endpoint.list_files", {"files": []}, "0 harmful files."),
        (
            "endpoint.list_credential_access",
            {"accesses": [{"program": "d.exe"}], "count": 1},
            "1 attempt to read stored passwords; by d.exe.",
        ),
        (
            "endpoint.list_logged_on_users",
            {"users": [{"name": "EX\\ann", "is_privileged": True}, {"name": "EX\\bob"}]},
            "2 users; administrators: EX\\ann.",
        ),
        ("patch.list_missing", {"patches": [{}, {}, {}]}, "3 missing updates."),
        (
            "identity.get_break_glass_state",
            {
                "accounts": [
                    {
                        "name": "bg-1",
                        "is_enabled": True,
                        "is_excluded_from_policies": True,
                        "last_tested_days": 1,
                        "unexpected_sign_ins": 0,
                    },
                    {"name": "bg-2", "last_tested_days": None, "unexpected_sign_ins": 2},
                ]
            },
            "bg-1: switched on, free of the sign-in policies, tried 1 day ago, no unexpected "
            "sign-in; bg-2: switched off, bound by the sign-in policies, never tried, 2 unexpected "
            "sign-ins.",
        ),
        (
            "identity.get_break_glass_state",
            {"accounts": [], "count": 0},
            "There is no emergency account.",
        ),
        (
            "identity.list_privileged_accounts",
            {"accounts": [{"name": f"a{n}"} for n in range(12)]},
            "12 administrators: a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, ….",
        ),
        (
            "identity.list_inactive_accounts",
            {"accounts": [{"name": "temp", "last_sign_in_days": 140}]},
            "1 unused account: temp (140 days).",
        ),
        (
            "patch.list_pending_updates",
            {"devices": [{"name": "PC-1", "patches": ["KB1"]}, {"name": "PC-2", "patches": []}]},
            "2 computers; 1 of them lacking updates: PC-1.",
        ),
        ("patch.list_exposed_devices", {"devices": [{"external_id": "d-1"}]}, "1 computer: d-1."),
        (
            "posture.list_drift",
            {"settings": [{"name": "A", "is_weaker": True}, {"name": "B", "is_weaker": False}]},
            "1 weakened setting: A.",
        ),
        ("posture.list_drift", {"settings": [], "count": 0}, "0 weakened settings."),
    ],
)
def test_answers_are_said_in_a_line(gatherer: str, facts: dict, said: str) -> None:
    assert in_words(gatherer, facts) == said


def test_every_gatherer_has_words() -> None:
    nothing = {"list": [], "integer": 0, "boolean": False, "string": "none", "object": {}}
    for manifest in registry.CONNECTORS.values():
        for gatherer in manifest.gatherers:
            facts = {name: nothing[kind] for name, kind in catalog.get(gatherer.name).facts.items()}
            assert in_words(gatherer.name, facts), gatherer.name


def test_what_is_not_known_has_no_words() -> None:
    assert in_words("weather.get_forecast", {"status": "fine"}) == ""
