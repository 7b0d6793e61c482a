"""What a playbook is: its parts, and the words of its language. `language` reads it from YAML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playbooks.expressions.conditions import Condition, fill

KINDS = ("investigation", "response", "routine")
VERDICTS = ("true_positive", "suspicious", "benign", "false_positive", "insufficient_data")
# The facts that a step may name as its target, and the kind of target that each is.
TARGET_FACTS = {
    "account": "account", "mailbox": "mailbox", "device": "device", "message": "message",
    "on_premises": "account", "indicator": "indicator", "tenant": "tenant",
}  # fmt: skip
# A routine answers no attack, so there is none to prove; rules may still ask for a verdict.
NO_VERDICT = {"value": "not_applicable", "confidence": "high"}
CONFIDENCES = ("high", "medium", "low")
FAILURES = ("stop", "continue", "roll_back")
KEYS = {
    "id", "version", "kind", "title", "summary", "trigger", "inputs", "steps", "verdicts",
    "responses", "results", "attack", "d3fend", "sources", "example", "tests", "is_for_company",
}  # fmt: skip
STEP_KEYS = {
    "id", "uses", "with", "target", "when", "needs", "for_each", "at_most", "on_failure", "tier",
    "why", "timeout", "no_reversal",
}  # fmt: skip
INPUT_KEYS = {"type", "title", "default", "required"}
INPUT_TYPES = {"string": str, "boolean": bool, "integer": int, "list": list, "object": dict}
MOST_OBJECTS = 100
TEST_KEYS = {"name", "change", "rules", "expect"}
EXPECTED_KEYS = {
    "investigation": {"verdict", "confidence", "rule"},
    "response": {"tier", "steps"},
    "routine": {"tier", "steps", "results"},
}
VERDICT_KEYS = {"id", "when", "verdict", "confidence", "because"}
RESULT_KEYS = {"id", "when", "for_each", "says", "to_do"}
# Steps on these facts are about one account; a routine without any is about the whole client.
OF_ONE_ACCOUNT = ("account", "mailbox", "on_premises")
DURATION = re.compile(r"([0-9]{1,6})([smh])")
UNITS = {"s": 1, "m": 60, "h": 3600}
LONGEST_TIMEOUT = 24 * 3600
MOST_STEPS = MOST_ROWS = 100
MOST_TESTS = 200


@dataclass(frozen=True, slots=True)
class PlaybookStep:
    """One step: a catalog action on one target, or on each of a bounded list."""

    id: str
    uses: str
    target: str | Mapping[str, Any]
    given: Mapping[str, Any] = field(default_factory=dict)
    when: Condition | None = None
    needs: tuple[str, ...] = ()
    for_each: Condition | None = None
    at_most: int = 1
    on_failure: str = "stop"
    tier: str = "automatic"
    why: str = ""
    timeout_seconds: int = 0
    no_reversal: str = ""

    def inputs(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the action's inputs, with the expressions in them replaced by their values."""
        return fill(self.given, facts)


@dataclass(frozen=True, slots=True)
class PlaybookInput:
    """What a person or a schedule gives when the playbook is started; `inputs.<name>` in CEL."""

    name: str
    type: str
    title: str
    default: Any = None
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One row of a verdict table; the first row that holds decides."""

    id: str
    when: Condition
    verdict: str
    confidence: str
    because: str


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One row of what a routine reports; every row that holds is said, for each item of a list.

    With `to_do` it is something that a technician still has to do.
    """

    id: str
    says: str
    to_do: str = ""
    when: Condition | None = None
    for_each: Condition | None = None


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook, as its file says it. `source_sha256` names exactly this content.

    `is_for_company`: an investigation whose evidence may call a change harmless that holds for a
    whole company, and not only what one person, computer or message did.
    """

    id: str
    version: str
    kind: str
    title: str
    summary: str
    trigger: Condition
    steps: tuple[PlaybookStep, ...]
    verdicts: tuple[VerdictRow, ...]
    results: tuple[ResultRow, ...]
    responses: Mapping[str, tuple[str, ...]]
    attack: tuple[str, ...]
    d3fend: tuple[str, ...]
    inputs: Mapping[str, PlaybookInput]
    sources: tuple[str, ...]
    example: Mapping[str, Any]
    tests: tuple[Mapping[str, Any], ...]
    source: str
    source_sha256: str
    is_for_company: bool = False

    @property
    def is_about_one_account(self) -> bool:
        """Whether it acts on an account that the case must have."""
        return any(step.target in OF_ONE_ACCOUNT for step in self.steps)
