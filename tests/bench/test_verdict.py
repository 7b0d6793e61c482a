"""The storm's own judgement: an effect had twice, or never, does not go unseen."""

from dataclasses import replace

import pytest

from bench.verdict import Told, wrong_effects

DISABLE, FORWARDING = "user.disable", "mailbox.set_forwarding"


def step(action: str, status: str = "verified", calls: int = 1) -> Told:
    return Told("client", "priya", action, action, status, "", calls)


@pytest.mark.parametrize(
    ("steps", "effects", "told"),
    [
        ([step("identity.disable_sign_in")], [(DISABLE, "priya")], []),
        (
            [step("identity.disable_sign_in")],
            [(DISABLE, "priya")] * 2,
            ["user.disable of priya: 2 effects for 1 steps"],
        ),
        ([step("identity.disable_sign_in")], [], ["user.disable of priya: 0 effects for 1 steps"]),
        (
            [step("identity.disable_sign_in")],
            [(DISABLE, "omar")],
            [
                "user.disable of omar: 1 effects for 0 steps",
                "user.disable of priya: 0 effects for 1 steps",
            ],
        ),
        # What was undone was done once, too.
        ([step("identity.disable_sign_in", "rolled_back")], [(DISABLE, "priya")], []),
        (
            [step("identity.disable_sign_in", "rolled_back")],
            [],
            ["user.disable of priya: 0 effects for 1 steps"],
        ),
        # Doing and undoing are the same change at the vendor.
        (
            [step("mailbox.remove_forwarding"), step("mailbox.restore_forwarding")],
            [(FORWARDING, "priya")] * 2,
            [],
        ),
        (
            [step("mailbox.remove_forwarding"), step("mailbox.restore_forwarding")],
            [(FORWARDING, "priya")] * 3,
            ["mailbox.set_forwarding of priya: 3 effects for 2 steps"],
        ),
        # A call whose step failed may have worked, but not twice; one never made, not at all.
        ([step("identity.disable_sign_in", "unknown")], [], []),
        ([step("identity.disable_sign_in", "failed")], [(DISABLE, "priya")], []),
        (
            [step("identity.disable_sign_in", "unknown", calls=3)],
            [(DISABLE, "priya")] * 2,
            ["user.disable of priya: 2 effects for 0 steps"],
        ),
        (
            [step("identity.disable_sign_in", "failed", calls=0)],
            [(DISABLE, "priya")],
            ["user.disable of priya: 1 effects for 0 steps"],
        ),
        (
            [step("identity.disable_sign_in", "skipped", calls=0)],
            [(DISABLE, "priya")],
            ["user.disable of priya: 1 effects for 0 steps"],
        ),
    ],
)
def test_more_or_fewer_effects_than_steps_are_told(steps, effects, told) -> None:
    assert wrong_effects(steps, effects) == told


def test_a_rule_is_counted_for_the_account_whose_it_is() -> None:
    rule = step("mailbox.disable_inbox_rule")
    assert wrong_effects([rule], [("rule.update", "priya/rule-7")]) == []
    assert wrong_effects([rule], [("rule.update", "priya/rule-7")] * 2) != []


def test_what_a_feed_subscribes_to_is_no_effect_of_a_step() -> None:
    assert wrong_effects([], [("activity.subscribe", "Audit.General")]) == []
    assert wrong_effects([], [("user.enable", "priya")]) != []


def test_what_a_step_found_done_is_another_steps_effect() -> None:
    first, second = step("mailbox.delete_inbox_rule"), step("mailbox.delete_inbox_rule")
    late = replace(second, changed_nothing=True)
    assert wrong_effects([first, late], [("rule.delete", "priya")]) == []
    assert wrong_effects([first, second], [("rule.delete", "priya")]) != []
    assert wrong_effects([late], [("rule.delete", "priya")]) != []
