"""Levels of connectors are what their tests prove, and the README says the same."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from django.utils.html import escape

from integrations import quality, registry
from msp.management.commands.connectors import table
from msp.staff import actions
from msp.staff.models import Role
from tests.integrations.conformance.conftest import SUBJECTS
from tests.integrations.conformance.prove import path_of, proved

ROOT = Path(__file__).resolve().parents[2]
PROVE = "run python -m tests.integrations.conformance.prove"
ALL = dict.fromkeys((one.name for one in quality.CHECKLIST), True)

# Whose permissions show only when they are refused, and why.
WITHOUT_STANDING = {
    "ansible_hosts": "There is one permission: the key opens a host or doesn't.",
    "crowdstrike": "The contract that is at hand has no call that tells an API client's scopes.",
    "dns": "Public records need no permission.",
    "sentinelone": "The requests that are at hand have none that tells a token's role.",
    "siem_query": "Each SIEM tells a key's rights in its own way, if at all.",
    "tactical_rmm": "The list of addresses has none that tells a key's role.",
    "webhook": "There is one permission: the key under which a source signs.",
}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.manifest.id)
def test_what_is_proved_is_what_the_tests_try(subject) -> None:
    path = path_of(subject)
    assert path.exists(), PROVE
    assert json.loads(path.read_text()) == proved(subject), PROVE


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.manifest.id)
def test_what_is_proved_is_tried_on_this_machine(subject) -> None:
    """Tests that are skipped prove nothing: then the level was not tried here, and that shows."""
    if why := subject.not_tried_here():
        pytest.skip(f"the level of {subject.manifest.title} was not tried here: {why}")
    own_server = subject.manifest.id in ("webhook", "dns")
    assert bool(subject.server) is (bool(subject.real_server) and not own_server)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.manifest.id)
def test_every_connector_is_at_least_silver(subject) -> None:
    holds = quality.checklist(subject.manifest, quality.proofs(subject.manifest.id))
    assert quality.level(holds) in ("silver", "gold", "platinum"), holds


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ((), "platinum"),
        (("real_server",), "gold"),
        (("contract",), "gold"),
        (("recorded_data", "contract"), "gold"),
        (("real_server", "contract"), "silver"),
        (("real_server", "recorded_data"), "silver"),
        (("topics",), "silver"),
        (("reversal",), "bronze"),
        (("documentation",), "bronze"),
        (("health",), "none"),
        (("conformance",), "none"),
    ],
)
def test_a_level_takes_all_that_it_stands_for(missing, expected) -> None:
    assert quality.level({**ALL, **dict.fromkeys(missing, False)}) == expected


@pytest.mark.parametrize(
    ("topic", "excuse", "expected"),
    [
        ("duplicates", "tests/msp/api/test_inbound.py::test_a_replay_changes_nothing", True),
        ("duplicates", "a list comes whole", True),
        # Another topic's reason, one that is no fact, and none at all.
        ("crash", "a list comes whole", False),
        ("crash", "nothing is read", False),
        ("actions", "nothing is changed", False),
        ("crash", "It was too much work.", False),
        ("crash", "", False),
    ],
)
def test_what_is_left_out_counts_only_for_a_reason_that_is_so(topic, excuse, expected) -> None:
    manifest = registry.connector("crowdstrike")
    proved = quality.Proofs(left_out={topic: "So."}, excused={topic: excuse} if excuse else {})
    assert quality.counts(manifest, proved, topic) is expected


def test_good_reasons_are_no_tests() -> None:
    """What only receives has a reason for nearly everything: tests elsewhere make it proven."""
    manifest, proved = registry.connector("webhook"), quality.proofs("webhook")
    assert quality.checklist(manifest, proved)["topics"]
    reasons = {
        topic: "nothing is read"
        for topic in proved.left_out or {}
        if topic in quality.GROUNDS["nothing is read"].topics
    }
    unproven = dataclasses.replace(proved, excused={**(proved.excused or {}), **reasons})
    assert all(quality.counts(manifest, unproven, topic) for topic in proved.left_out or {})
    assert not quality.checklist(manifest, unproven)["topics"]


def test_a_contract_that_judges_one_direction_is_not_kept_in_both() -> None:
    manifest, proved = registry.connector("sentinelone"), quality.proofs("sentinelone")
    assert quality.checklist(manifest, proved)["contract"]
    for judged in ((), ("requests",), ("answers",)):
        less = dataclasses.replace(proved, judges=judged)
        assert quality.level(quality.checklist(manifest, less)) == "silver", judged


def test_the_matrix_tells_how_much_a_contract_judges() -> None:
    manifest, proved = registry.connector("crowdstrike"), quality.proofs("crowdstrike")
    told, of = quality.judged(manifest, proved) or (0, 0)
    assert of == len(manifest.feeds) + len(manifest.actions)
    assert told == of - len(proved.outside_contract or {}) < of
    assert f"| {told} of {of} | gold |" in table(quality.matrix())
    assert quality.judged(registry.connector("imap"), quality.proofs("imap")) is None


def test_what_is_less_than_gold_says_why() -> None:
    short = {row["id"]: row["short_of_gold"] for row in quality.matrix() if row["short_of_gold"]}
    assert short.keys() == {row["id"] for row in quality.matrix() if row["level"] == "silver"}
    for name, why in short.items():
        # What is left out for no reason that counts is said before it.
        assert why.startswith("Not gold without “"), name
        assert "“Recorded data taken in whole”" in why, name
        assert len(why) > 80, name


def test_without_proofs_nothing_is_claimed() -> None:
    manifest = SUBJECTS[0].manifest
    holds = quality.checklist(manifest, quality.Proofs())
    assert quality.level(holds) == "none"


@pytest.mark.django_db
def test_the_console_shows_the_matrix(client, settings) -> None:
    settings.REQUIRE_MFA = False
    client.force_login(actions.create_technician("mira", role=Role.VIEWER, password="x" * 20))
    shown = client.get("/admin/connectors/").content.decode()
    for row in quality.matrix():
        assert row["title"] in shown
        assert f">{row['level'].capitalize()}</span>" in shown
        assert escape(row["short_of_gold"]) in shown
        for one in (*row["feeds"], *row["actions"]):
            assert escape(one["title"]) in shown
        for permission in row["permissions"]:
            assert escape(permission["grant"]) in shown


def test_every_connector_tells_its_permissions_or_why_it_can_not() -> None:
    without = {one.id for one in registry.CONNECTORS.values() if one.standing is None}
    assert without == WITHOUT_STANDING.keys()
    assert all(why.endswith(".") for why in WITHOUT_STANDING.values())


def test_a_feed_that_is_never_read_live_says_so() -> None:
    from_files = [
        (row["id"], feed["name"])
        for row in quality.matrix()
        for feed in row["feeds"]
        if feed["comes"] == "from files only"
    ]
    assert from_files == [("microsoft365", "azure_activity")]
    assert "`azure_activity` (from files only)" in table(quality.matrix())


def test_the_readme_shows_the_matrix() -> None:
    readme = (ROOT / "README.md").read_text()
    found = re.search(r"<!-- connectors -->\n(.*?)\n<!-- /connectors -->", readme, re.DOTALL)
    assert found, "the README has no table of connectors"
    assert found[1] == table(quality.matrix()), "copy what manage.py connectors --markdown prints"


def test_choices_are_of_settings_that_there_are() -> None:
    for manifest in registry.CONNECTORS.values():
        assert set(manifest.choices) <= set(manifest.settings), manifest.id
        for words in manifest.choices.values():
            # A value is compared without case.
            assert all(value == value.lower() for value in words), manifest.id
