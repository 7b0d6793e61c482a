"""A plugin of pytest: levels follow from what ran. What is declared and not tried fails the run.

`proofs.json` of a connector says which topics its tests try, here or elsewhere. The reports of a
run say which did pass. A topic of which nothing was tried fails the whole suite; one that could
not be tried on this machine, for want of a server, a contract or recorded data, is told at the
end. A run of a part is judged by that part. Under xdist the workers say what there is, and the
controller judges.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
CONNECTORS = ROOT / "integrations/connectors"
SUITE = Path(__file__).parent
# The name under which a test's reports carry what it proves.
PROVES = "proves"
RECORDS = "records"

# A connector, and a topic of the suite, or its recorded data.
Proof = tuple[str, str]


@dataclass(frozen=True)
class Declared:
    """What the connectors' files say: `proofs`, and those that a test elsewhere is to try."""

    proofs: frozenset[Proof]
    elsewhere: dict[str, list[Proof]]


def declared(folder: Path = CONNECTORS) -> Declared:
    """Read every connector's proofs."""
    proofs: set[Proof] = set()
    elsewhere: dict[str, list[Proof]] = defaultdict(list)
    for path in sorted(folder.glob("*/proofs.json")):
        own, told = path.parent.name, json.loads(path.read_text("utf-8"))
        proofs |= {(own, topic) for topic in told["topics"]}
        proofs |= {(own, RECORDS)} if told["recorded"] else set()
        for topic, excuse in told.get("excused", {}).items():
            if "::" in excuse:
                elsewhere[excuse].append((own, topic))
    return Declared(frozenset(proofs), dict(elsewhere))


@dataclass
class Tried:
    """How the tests of one proof ended."""

    passed: int = 0
    failed: int = 0
    left_out: int = 0
    wanting: set[str] = field(default_factory=set)


class Results:
    """What a run proved of what is declared."""

    def __init__(self, told: Declared) -> None:
        self._declared = told
        self._tried: dict[Proof, Tried] = defaultdict(Tried)
        self._there: set[Proof] = set()
        self._is_whole = False

    def collected(self, proofs: Iterable[Proof], *, is_whole: bool) -> None:
        """What there are tests of; `is_whole` where none of the suite was left aside."""
        self._there |= set(proofs)
        self._is_whole = self._is_whole or is_whole

    def reported(self, proof: Proof, outcome: str, phase: str, why: str = "") -> None:
        """One report of a test. A reason to leave it out begins with the topic."""
        tried = self._tried[proof]
        if outcome == "failed":
            tried.failed += 1
        elif outcome == "skipped" and why.startswith(f"{proof[1]}: "):
            tried.left_out += 1
        elif outcome == "skipped":
            tried.wanting.add(why)
        elif phase == "call":
            tried.passed += 1

    def unproven(self) -> list[str]:
        """What is declared and was not tried although it could have been, a line each."""
        untried = self._declared.proofs - self._there if self._is_whole else set()
        lines = [f"{own}: no test tries {topic}" for own, topic in untried]
        for (own, topic), tried in self._tried.items():
            if tried.failed:
                lines.append(f"{own}: {topic} failed")
            elif not tried.passed and not tried.wanting:
                lines.append(f"{own}: each test of {topic} is left out")
        return sorted(lines)

    def not_tried_here(self) -> list[str]:
        """What can't be tried on this machine, by the reason, a line each."""
        found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for (own, topic), tried in self._tried.items():
            for why in tried.wanting:
                found[why][own].add(topic)
        return [
            f"{why}: " + "; ".join(f"{own} ({', '.join(sorted(topics))})"
                                   for own, topics in sorted(of.items()))
            for why, of in sorted(found.items())
        ]  # fmt: skip


class Plugin:
    """Marks each test with what it proves, listens to its reports, and judges at the end."""

    def __init__(self, told: Declared) -> None:
        self._declared = told
        self._left_aside = False
        self._collected: list[Proof] = []
        self._is_whole = False
        self.results = Results(told)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """A run with some of the suite's tests deselected is not whole."""
        self._left_aside = self._left_aside or any(item.path.parent == SUITE for item in items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Mark what is about to run."""
        for item in session.items:
            for proof in self._proofs_of(item):
                item.user_properties.append((PROVES, list(proof)))
                self._collected.append(proof)
        files = {item.path for item in session.items if item.path.parent == SUITE}
        is_named = any("::" in argument for argument in session.config.args)
        is_cut = self._left_aside or is_named
        self._is_whole = not is_cut and files >= set(SUITE.glob("test_*.py"))
        self.results.collected(self._collected, is_whole=self._is_whole)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test ended."""
        why = ""
        if report.skipped and isinstance(report.longrepr, tuple | list):
            why = str(report.longrepr[2]).removeprefix("Skipped: ")
        for name, value in report.user_properties:
            if name == PROVES and isinstance(value, list | tuple):
                proof = (str(value[0]), str(value[1]))
                self.results.reported(proof, report.outcome, report.when or "", why)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker of xdist says at its end what it had collected."""
        told = getattr(node, "workeroutput", {}).get(PROVES)
        if told:
            proofs = [(own, topic) for own, topic in told["collected"]]
            self.results.collected(proofs, is_whole=told["is_whole"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail a run that was fine but for what it did not prove."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[PROVES] = {
                "collected": [list(proof) for proof in set(self._collected)],
                "is_whole": self._is_whole,
            }
        elif exitstatus == pytest.ExitCode.OK and self.results.unproven():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what is unproven, and what this machine can't try."""
        if unproven := self.results.unproven():
            terminalreporter.section("connectors' levels that this run does not prove", red=True)
            for line in unproven:
                terminalreporter.write_line(line)
        if untried := self.results.not_tried_here():
            terminalreporter.section("connectors' levels rest on what was not tried here")
            for line in untried:
                terminalreporter.write_line(line)

    def _proofs_of(self, item: pytest.Item) -> Iterator[Proof]:
        name = item.nodeid.partition("[")[0]
        yield from self._declared.elsewhere.get(name, ())
        values = getattr(getattr(item, "callspec", None), "params", {})
        if item.path.parent != SUITE or "subject" not in values:
            return
        marker = item.get_closest_marker("topic")
        module = getattr(item, "module", None)
        topic = marker.args[0] if marker else getattr(module, "TOPIC", "")
        topic = topic or getattr(module, "PROVES", "")
        proof = (values["subject"].manifest.id, topic)
        if proof in self._declared.proofs:
            yield proof


def pytest_configure(config: pytest.Config) -> None:
    """Judge this run."""
    config.pluginmanager.register(Plugin(declared()), "holdfast_proving")
