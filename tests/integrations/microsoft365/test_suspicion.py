"""What makes an inbox rule suspicious, and what does not."""

import pytest

from integrations.connectors.microsoft365.suspicion import THRESHOLD, is_outside, of_rule

DOMAINS = {"contoso.example", "contoso.onmicrosoft.com"}


def rule(name: str = "Newsletters", conditions: dict | None = None, **actions) -> dict:
    return {"displayName": name, "conditions": conditions or {"senderContains": ["news"]},
            "actions": actions}  # fmt: skip


def to(address: str) -> list[dict]:
    return [{"emailAddress": {"name": "x", "address": address}}]


@pytest.mark.parametrize(
    ("given", "folder", "reason"),
    [
        (rule(forwardTo=to("thief@evil.example")), "", "outside the organisation"),
        (rule(redirectTo=to("thief@evil.example")), "", "outside the organisation"),
        (rule(forwardAsAttachmentTo=to("a@contoso.example.evil.example")), "", "outside"),
        (rule(conditions={"subjectContains": ["Invoice"]}, delete=True), "", "invoice"),
        (rule("..", delete=True), "", "says nothing"),
        (rule(" ", moveToFolder="id"), "RSS Feeds", "nobody reads (RSS Feeds)"),
        (rule(conditions={"bodyContains": ["wire transfer"]}, moveToFolder="id"),
         "Conversation History", "wire"),
        ({"displayName": "All", "actions": {"delete": True, "markAsRead": True}}, "", "all mail"),
    ],
)  # fmt: skip
def test_attackers_rules(given, folder, reason) -> None:
    found = of_rule(given, DOMAINS, folder_name=folder)
    assert found.is_suspicious
    assert any(reason in why for why in found.why)


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        (rule(moveToFolder="id", markAsRead=True), "Newsletters"),
        (rule(delete=True), ""),
        (rule(delete=True, markAsRead=True), ""),
        (rule(forwardTo=to("colleague@contoso.example")), ""),
        (rule(forwardTo=to("a@mail.contoso.example")), ""),
        (rule(conditions={"subjectContains": ["invoice"]}, moveToFolder="id"), "Accounts"),
        (rule(moveToFolder="id"), "Archive"),
        (rule(".", assignCategories=["Red"]), ""),
        ({}, ""),
        ({"displayName": None, "actions": "none", "conditions": 7}, ""),
    ],
)
def test_everyday_rules(given, folder) -> None:
    assert not of_rule(given, DOMAINS, folder_name=folder).is_suspicious


def test_being_new_adds_to_other_signs_only() -> None:
    almost = rule(delete=True, markAsRead=True)
    assert of_rule(almost, DOMAINS).score == THRESHOLD - 1
    assert of_rule(almost, DOMAINS, is_recent=True).is_suspicious
    assert not of_rule(rule(), DOMAINS, is_recent=True).is_suspicious


def test_every_point_has_its_reason() -> None:
    found = of_rule(
        rule(".", {"subjectContains": ["invoice"]}, delete=True, forwardTo=to("t@evil.example")),
        DOMAINS,
    )
    assert (found.score, len(found.why)) == (10, 4)


@pytest.mark.parametrize(
    ("mail", "expected"),
    [("a@contoso.example", False), ("A@CONTOSO.EXAMPLE", False), ("a@x.contoso.example", False),
     ("a@notcontoso.example", True), ("smtp:a@evil.example", True), ("Contoso/Users/Eve", False),
     ("", False)],
)  # fmt: skip
def test_what_is_outside(mail, expected) -> None:
    assert is_outside(mail, DOMAINS) is expected
