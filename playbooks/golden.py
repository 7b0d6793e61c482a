"""Golden cases: facts in, expected verdict or plan out, kept in the playbook's own file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playbooks import engagement, planner, verdicts
from playbooks.given import merged
from playbooks.language import Playbook
from tenants.errors import HoldfastError

__all__ = ["Outcome", "merged", "run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one golden case went; `difference` is empty when it is as expected."""

    playbook: str
    name: str
    difference: str


def run(playbook: Playbook) -> list[Outcome]:
    """Run the golden cases of one playbook under the default rules of engagement."""
    return [
        Outcome(playbook.id, str(test.get("name", i + 1)), _difference(playbook, test))
        for i, test in enumerate(playbook.tests)
    ]


def _difference(playbook: Playbook, test: Mapping[str, Any]) -> str:
    facts = merged(playbook.example, test.get("change", {}))
    try:
        found = _verdict(playbook, facts) if playbook.verdicts else _plan(playbook, facts)
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


def _plan(playbook: Playbook, facts: Mapping[str, Any]) -> dict[str, Any]:
    plan = planner.plan(playbook, facts, engagement.default())
    steps = [f"{s['action']} {s['target']['name']} {s['tier']}" for s in plan["steps"]]
    return {"tier": plan["tier"], "steps": steps}
