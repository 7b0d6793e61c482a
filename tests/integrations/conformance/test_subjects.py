"""A subject is whole: it leaves nothing out without a reason, and tries every action."""

from integrations import catalog
from tests.integrations.conformance.subject import TOPICS


def test_what_is_left_out_is_a_topic_and_has_a_reason(subject) -> None:
    assert subject.left_out.keys() <= set(TOPICS)
    for topic, reason in subject.left_out.items():
        assert reason.strip().endswith("."), f"{topic}: the reason is no sentence: {reason!r}"


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


def test_the_sample_feed_is_polled(subject) -> None:
    if subject.polled:
        assert subject.feed in subject.polled
    else:
        assert subject.why_not("paging")


def test_the_canary_says_in_a_sentence_what_it_saw(subject, client) -> None:
    told = subject.manifest.canary(client)
    assert told.endswith(".")
    assert len(told) < 200
