"""A subject is whole: it leaves nothing out without a reason, and tries every action."""

import re
from pathlib import Path

import pytest

from integrations import catalog, quality
from integrations.errors import VendorError
from tests.integrations.conformance.driving import key_of
from tests.integrations.conformance.subject import TOPICS

ROOT = Path(__file__).resolve().parents[3]


def test_what_is_left_out_is_a_topic_and_has_a_reason(subject) -> None:
    assert subject.left_out.keys() <= set(TOPICS)
    for topic, reason in subject.left_out.items():
        assert reason.strip().endswith("."), f"{topic}: the reason is no sentence: {reason!r}"


def test_what_makes_a_topic_count_is_a_fact_or_a_test_that_is_there(subject) -> None:
    proofs = quality.Proofs(
        left_out=subject.left_out, excused=subject.excused, real_server=subject.real_server
    )
    assert subject.excused.keys() <= subject.left_out.keys()
    for topic, excuse in subject.excused.items():
        assert quality.counts(subject.manifest, proofs, topic), f"{topic}: {excuse}"
        if quality.is_test(excuse):
            path, _, name = excuse.partition("::")
            assert f"\ndef {name}(" in (ROOT / path).read_text("utf-8"), excuse


def test_without_recorded_data_and_real_software_it_says_why(subject) -> None:
    assert bool(subject.unrecorded) is not (bool(subject.records) or bool(subject.real_server))
    assert not subject.unrecorded or subject.unrecorded.endswith(".")


def test_what_lies_outside_the_contract_is_a_feed_and_has_a_reason(subject) -> None:
    assert subject.feeds_outside.keys() <= set(subject.polled)
    assert all(why.endswith(".") for why in subject.feeds_outside.values())


def test_another_door_is_a_polled_feed_and_leaves_nothing_out_without_a_reason(subject) -> None:
    doors = [(one.feed, one.pages) for one in subject.other_doors]
    assert (subject.feed, subject.pages) not in doors
    assert len(set(doors)) == len(doors)
    for door in subject.other_doors:
        assert door.feed in subject.polled
        assert door.left_out.keys() <= set(TOPICS) - subject.left_out.keys()
        assert all(why.endswith(".") for why in door.left_out.values())


def test_a_reason_names_only_files_that_are_there(subject) -> None:
    reasons = [
        *subject.left_out.values(),
        *(why for door in subject.other_doors for why in door.left_out.values()),
        *(case.no_reversal for case in subject.actions),
        *(case.outside_contract for case in subject.actions),
        *(why for one in subject.records for _, why in one.quarantined.values()),
    ]
    for reason in reasons:
        for name in re.findall(r"[\w./-]+\.(?:py|md|yaml|yml|json)\b", reason):
            assert (ROOT / name).is_file(), f"{reason!r} names {name}: write it from the root."


def test_what_can_not_be_tried_is_left_out(subject) -> None:
    untried = {
        *(("paging", "duplicates", "crash") if not subject.polled else ()),
        *(("actions", "late_effects") if not subject.actions else ()),
        *(("addresses",) if not subject.endpoints else ()),
        *(("contract",) if subject.contract is None else ()),
    }
    assert untried <= subject.left_out.keys()


def test_every_action_of_the_manifest_has_a_case(subject) -> None:
    tried = [case.action for case in subject.actions]
    assert sorted(set(tried)) == sorted(action.name for action in subject.manifest.actions)


def test_actions_and_questions_are_those_of_the_catalog(subject) -> None:
    for implemented, read_only in (
        (subject.manifest.actions, False),
        (subject.manifest.gatherers, True),
    ):
        for one in implemented:
            assert catalog.get(one.name).is_read_only is read_only, one.name


def test_there_are_records_to_measure_intake_with(subject) -> None:
    assert subject.polled or subject.sent or not subject.manifest.feeds
    for name, records in subject.sent.items():
        feed = subject.manifest.feed(name)
        made = [feed.normalise(record) for record in records]
        assert len({key_of(one) for one in made}) == len(records) > 0


def test_the_sample_feed_is_polled(subject) -> None:
    if subject.polled:
        assert subject.feed in subject.polled
    else:
        assert subject.why_not("paging")


@pytest.mark.topic("health")
def test_the_canary_says_in_a_sentence_what_it_saw(subject, client) -> None:
    told = subject.manifest.canary(client)
    assert told.endswith(".")
    assert len(told) < 200


@pytest.mark.topic("health")
def test_the_canary_fails_when_the_vendor_answers_but_refuses(subject, vendor) -> None:
    vendor.grant([])
    poor = vendor.connect()
    with pytest.raises(VendorError):
        subject.manifest.canary(poor)
    poor.close()


def test_permissions_are_explained_once_and_all_are_needed(subject) -> None:
    manifest = subject.manifest
    asking = [*manifest.feeds, *manifest.actions, *manifest.gatherers]
    asking += [manifest.siem] if manifest.siem else []
    needed = {name for one in asking for name in one.permissions}
    explained = [permission.name for permission in manifest.permissions]
    assert sorted(explained) == sorted(needed)
    for permission in manifest.permissions:
        assert permission.grant.endswith("."), permission.name
        assert permission.documentation.startswith("https://"), permission.name


def test_set_up_and_limits_lead_to_the_vendors_pages(subject) -> None:
    manifest = subject.manifest
    assert manifest.set_up
    for step in manifest.set_up:
        assert step.text.endswith(".")
        assert step.documentation.startswith("https://") or not step.documentation
    for limit in manifest.rate_limits:
        assert limit.requests > 0
        assert limit.seconds > 0
        assert limit.documentation.startswith("https://")
    assert {feed.documentation[:8] for feed in manifest.feeds} <= {"https://"}
