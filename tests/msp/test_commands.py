"""The commands that stay: what they print, and one clear message for what can't work."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations import catalog, registry
from playbooks import library
from playbooks.models import RulesOfEngagement
from tenants import scope

ROOT = Path(__file__).resolve().parents[2]
FEEDS = {
    "alerts", "incidents", "sign_ins", "risk_detections", "risky_users", "directory_audit",
    "unified_audit", "users", "roles", "groups", "auth_methods", "inbox_rules",
    "mailbox_settings", "oauth_grants", "service_principals", "policies", "message_trace",
    "azure_activity",
}  # fmt: skip
CONTAIN = "contain-cloud-account"


def _printed(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def _facts(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "facts.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def _example(**changes: Any) -> str:
    return json.dumps({**library.get(CONTAIN).example, **changes})


def _microsoft() -> dict[str, Any]:
    told = json.loads(_printed("connectors", "--json"))
    return next(connector for connector in told if connector["id"] == "microsoft365")


def test_the_connectors_name_their_feeds_and_actions() -> None:
    microsoft = _microsoft()
    assert {feed["name"] for feed in microsoft["feeds"]} == FEEDS
    assert {action["name"] for action in microsoft["actions"]} <= {
        action.name for action in catalog.ACTIONS
    }
    manifest = registry.connector("microsoft365")
    assert len(microsoft["actions"]) == len(manifest.actions) + len(manifest.gatherers)


def test_whatever_is_asked_of_microsoft_names_the_permission_it_needs() -> None:
    microsoft = _microsoft()
    asking = [f for f in microsoft["feeds"] if f["polled"]] + microsoft["actions"]
    assert [one["name"] for one in asking if not one["permissions"]] == []


def test_the_connectors_can_be_read_without_json() -> None:
    told = _printed("connectors")
    assert "microsoft365: Microsoft 365" in told
    assert "alerts" in told


def test_every_playbook_is_listed_with_its_hash_and_actions(db) -> None:
    told = {
        playbook["id"]: playbook for playbook in json.loads(_printed("playbook", "list", "--json"))
    }
    assert set(told) == set(library.playbooks())
    assert told[CONTAIN]["sha256"] == library.get(CONTAIN).source_sha256
    assert told[CONTAIN]["kind"] == "response"
    assert "identity.revoke_sessions" in told[CONTAIN]["actions"]
    assert all(playbook_id in _printed("playbook", "list") for playbook_id in told)


def test_a_playbook_can_be_shown_and_checked(tmp_path) -> None:
    source = _printed("playbook", "show", CONTAIN)
    assert source.strip() == library.get(CONTAIN).source.strip()
    path = tmp_path / "copy.yaml"
    path.write_text(source, encoding="utf-8")
    assert "1 playbooks, nothing wrong" in _printed("playbook", "lint", str(path))
    assert "nothing wrong" in _printed("playbook", "lint")


def test_the_golden_cases_pass() -> None:
    assert ", 0 failed" in _printed("playbook", "test")


def test_a_broken_playbook_is_told_with_its_places(tmp_path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("id: x\ncolour: red\n", encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        call_command("playbook", "lint", str(path))
    assert caught.value.returncode == 2
    assert f"{path}:2:9: unknown key 'colour'" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is not JSON"),
        ("{'a': 1}", "is not JSON"),
        ('{"case": ', "is not JSON"),
        (b"\xff\xfe", "can't be read"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "facts are a JSON object"),
        ("5", "facts are a JSON object"),
        ("null", "facts are a JSON object"),
        ("{}", "lacks the facts: account, case, evidence, hour, mailbox, risk, tenant, verdict"),
        (_example(account={}), "account"),
        (_example(account=None), "account"),
        (_example(account="text"), "account"),
        (_example(evidence=[]), "evidence"),
        (_example(hour="nine", verdict=None), "verdict"),
    ],
)
def test_facts_that_can_not_be_planned_on_are_one_clear_error(tmp_path, content, told) -> None:
    _is_refused(_facts(tmp_path, content), told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (_example(hour=float("nan")), "is not JSON"),
        (_example(case={"id": "\ud800"}), "is not JSON"),
        (_example().replace("{", '{"deep": ' + "[" * 600 + "]" * 600 + ",", 1), "nested"),
    ],
)
def test_what_is_nearly_json_is_one_clear_error(tmp_path, content, told) -> None:
    _is_refused(_facts(tmp_path, content), told)


def _is_refused(path: str, told: str) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("playbook", "plan", CONTAIN, "--facts", path, "--json")
    assert told in str(caught.value)
    assert caught.value.returncode == 2


@pytest.mark.parametrize("path", ["/no/such/file", "."])
def test_a_facts_file_that_can_not_be_read_is_named(path) -> None:
    _is_refused(path, f"{path} can't be read")


@pytest.mark.parametrize("command", ["plan", "facts", "show", "test"])
def test_an_unknown_playbook_is_told_with_those_there_are(db, tmp_path, command) -> None:
    more = ["--facts", _facts(tmp_path, "{}")] if command == "plan" else []
    with pytest.raises(CommandError, match=CONTAIN) as caught:
        call_command("playbook", command, "no-such-playbook", *more)
    assert caught.value.returncode == 2


def test_a_plan_for_a_client_uses_its_own_rules(tenant, tmp_path) -> None:
    document = {"version": 2, "default": "client", "rules": []}
    with scope.tenant(tenant.id):
        RulesOfEngagement.objects.create(version=2, document=document, sha256="x", author="test")
    path = _facts(tmp_path, _example())
    plan = ("playbook", "plan", CONTAIN, "--facts", path, "--json")
    own, default = json.loads(_printed(*plan, "--tenant", tenant.slug)), json.loads(_printed(*plan))
    assert (own["plan"]["tier"], own["plan"]["engagement"]["version"]) == ("client", 2)
    assert default["plan"]["tier"] == "automatic"
    assert own["sha256"] != default["sha256"]


def test_a_plan_for_an_unknown_client_is_refused(db, tmp_path) -> None:
    path = _facts(tmp_path, _example())
    with pytest.raises(CommandError, match="no client 'nobody'") as caught:
        call_command("playbook", "plan", CONTAIN, "--facts", path, "--tenant", "nobody")
    assert caught.value.returncode == 2


def test_a_plan_can_be_read_by_people(tmp_path) -> None:
    told = _printed("playbook", "plan", CONTAIN, "--facts", _facts(tmp_path, _example()))
    assert "Disable sign-in: priya.shah@contoso-clinic.example [automatic: " in told
    assert "    when: account.is_enabled != false (account.is_enabled = true)" in told
    assert "    undone by: Enable sign-in" in told
    assert "    touches: 1 account" in told
    assert "    touches: Not known before: the sessions that are open then." in told
    assert "    for good: The old password is no longer known" in told
    assert "2 objects, tier automatic" in told
    assert "\nsha256 " in told


@pytest.mark.process
@pytest.mark.parametrize(
    "arguments",
    [
        ["playbook", "plan", CONTAIN, "--facts", "/no/such/file", "--json"],
        ["playbook", "show", "no-such-playbook"],
        ["playbook", "lint", "/no/such/folder"],
        ["intake", "/no/such/file", "--tenant", "x", "--connector", "floppy", "--feed", "alerts"],
    ],
)
def test_the_command_line_ends_with_two_and_no_traceback(arguments) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
    assert done.stdout == ""
