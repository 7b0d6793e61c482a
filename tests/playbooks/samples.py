"""Small playbooks and policies for the tests of the language, and facts to try them on."""

import copy
from typing import Any

from playbooks import language, library
from playbooks.engagement import Engagement, load_engagement
from playbooks.language import Playbook

HEAD = """\
id: sample
version: "1"
kind: {kind}
title: Sample
summary: What was done.
trigger: "true"
steps:
"""
TAIL = """\
tests:
  - name: one
    expect: {tier: automatic}
"""
ASKED = """\
tests:
  - name: one
    expect: {verdict: insufficient_data}
"""
DISABLE = """\
  - id: disable
    uses: identity.disable_sign_in
    target: account
"""
ASK = """\
  - id: sign_ins
    uses: identity.list_sign_ins
    target: account
"""
NOT_ENOUGH = """\
  - id: not-enough
    when: true
    verdict: insufficient_data
    confidence: low
    because: There was not enough.
"""


def response(steps: str = DISABLE) -> Playbook:
    """Load a response with these steps."""
    return language.load(response_text(steps), "sample.yaml")


def response_text(steps: str = DISABLE, more: str = "") -> str:
    """Write a response with these steps."""
    return HEAD.format(kind="response") + steps + TAIL + more


def investigation_text(rows: str = NOT_ENOUGH, steps: str = ASK) -> str:
    """Write an investigation with this verdict table."""
    return HEAD.format(kind="investigation") + steps + "verdicts:\n" + rows + ASKED


def facts(**changes: Any) -> dict[str, Any]:
    """Return the facts of a compromised account; `account` and the like replace single values."""
    told = copy.deepcopy(dict(library.get("contain-cloud-account").example))
    asked = library.get("investigate-account-takeover").example["evidence"]
    told["evidence"] = {**copy.deepcopy(asked), **told["evidence"]}
    for name, change in changes.items():
        told[name] = {**told[name], **change} if isinstance(change, dict) else change
    return told


def policy(*rules: dict[str, Any], default: str = "technician") -> Engagement:
    """Load rules of engagement."""
    return load_engagement({"version": 1, "default": default, "rules": list(rules)})
