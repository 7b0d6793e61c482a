"""Golden cases: facts in, expected verdict or plan out, kept in the playbook's own file."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playbooks import engagement, planner, results, verdicts
from playbooks.engagement import Engagement
from playbooks.expressions.given import merged
from playbooks.language import Playbook
from tenants.errors import HoldfastError

__all__ = ["Outcome", "merged", "run"]

MOST_SECONDS = 120.0
_TOO_DEAR = "not run: the cases before it took {} s of processor time; make the facts smaller"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one golden case went; `difference` is empty when it is as expected."""

    playbook: str
    name: str
    difference: str


def run(playbook: Playbook, most_seconds: float = MOST_SECONDS) -> list[Outcome]:
    """Run the golden cases of one playbook under the default rules of engagement.

    After `most_seconds` of processor time the rest is not run, and each says so: a stranger's
    playbook must not keep a machine busy.
    """
    until = time.thread_time() + most_seconds
    found = []
    for i, test in enumerate(playbook.tests):
        name = str(test.get("name", i + 1))
        is_late = time.thread_time() >= until
        told = _TOO_DEAR.format(most_seconds) if is_late else _difference(playbook, test)
        found.append(Outcome(playbook.id, name, told))
    return found


def _difference(playbook: Playbook, test: Mapping[str, Any]) -> str:
    facts = merged(playbook.example, test.get("change", {}))
    try:
        if playbook.verdicts:
            found = _verdict(playbook, facts)
        else:
            found = _plan(playbook, facts, _rules(test))
            found["results"] = [line.words for line in results.of(playbook, facts)]
    except HoldfastError as error:
        return str(error)
    expected = test.get("expect", {})
    wrong = [
        f"{key}: expected {value!r}, found {found.get(key)!r}"
        for key, value in expected.items()
        if found.get(key) != value
    ]
    return "; ".join(wrong) if expected else "the case expects nothing: say what under `expect:`"


def _verdict(playbook: Playbook, facts: Mapping[str, Any]) -> dict[str, Any]:
    return verdicts.decide(playbook, facts).as_json()


def _rules(test: Mapping[str, Any]) -> Engagement:
    """Return the rules of engagement of a case: the default ones, and its own `rules` on top."""
    if not test.get("rules"):
        return engagement.default()
    own = {"extends": "msp", "rules": test["rules"]}
    return engagement.lay_on(engagement.default().document, own, "the rules of the case")


def _plan(playbook: Playbook, facts: Mapping[str, Any], rules: Engagement) -> dict[str, Any]:
    plan = planner.plan(playbook, facts, rules)
    steps = [f"{s['action']} {s['target']['name']} {s['tier']}" for s in plan["steps"]]
    return {"tier": plan["tier"], "steps": steps}
