"""A run of the tests fails where it does not prove what a connector's level rests on."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.integrations.conformance.proving import PROVES, SUITE, Declared, Plugin, declared

HERE = Declared(frozenset({("acme", "crash"), ("acme", "contract")}), {})
ELSEWHERE = Declared(frozenset(), {"tests/a.py::test_b": [("acme", "crash")]})
FILES = sorted(SUITE.glob("test_*.py"))


def _item(topic: str, own: str = "acme", path: Path = FILES[0]) -> Any:
    subject = SimpleNamespace(manifest=SimpleNamespace(id=own))
    return SimpleNamespace(
        path=path, nodeid=f"tests/{path.name}::test_x[{own}]", user_properties=[],
        callspec=SimpleNamespace(params={"subject": subject}), module=SimpleNamespace(TOPIC=topic),
        get_closest_marker=lambda name: None,
    )  # fmt: skip


def _report(item: Any, outcome: str, why: str = "") -> Any:
    longrepr = ("a.py", 1, f"Skipped: {why}") if why else None
    return SimpleNamespace(
        outcome=outcome, when="call", skipped=outcome == "skipped", longrepr=longrepr,
        user_properties=[(name, list(value)) for name, value in item.user_properties],
    )  # fmt: skip


def _run(told: Declared, *, files=FILES, args=("tests",), **outcomes: tuple[str, str]) -> Any:
    """A run in which each topic's test ended in its way, with what it said and how it ended."""
    plugin = Plugin(told)
    items = [_item(topic) for topic in outcomes]
    other = [_item("", path=path) for path in files]
    session: Any = SimpleNamespace(
        items=[*items, *other], config=SimpleNamespace(args=list(args)), exitstatus=0
    )
    plugin.pytest_collection_finish(session)
    for item, outcome in zip(items, outcomes.values(), strict=True):
        plugin.pytest_runtest_logreport(_report(item, *outcome))
    plugin.pytest_sessionfinish(session, pytest.ExitCode.OK)
    return session.exitstatus, plugin.results


PASSED = ("passed", "")


def test_what_passed_is_proved() -> None:
    status, results = _run(HERE, crash=PASSED, contract=PASSED)
    assert (status, results.unproven(), results.not_tried_here()) == (0, [], [])


def test_a_topic_that_no_test_tries_fails_the_run() -> None:
    status, results = _run(HERE, contract=PASSED)
    assert (status, results.unproven()) == (1, ["acme: no test tries crash"])


def test_a_topic_whose_tests_are_all_left_out_fails_the_run() -> None:
    left_out = ("skipped", "crash: It was too much work.")
    status, results = _run(HERE, crash=left_out, contract=PASSED)
    assert (status, results.unproven()) == (1, ["acme: each test of crash is left out"])


def test_what_this_machine_can_not_try_is_told_and_fails_nothing() -> None:
    absent = ("skipped", "the vendor's contract is not here")
    status, results = _run(HERE, crash=PASSED, contract=absent)
    assert (status, results.unproven()) == (0, [])
    assert results.not_tried_here() == ["the vendor's contract is not here: acme (contract)"]


@pytest.mark.parametrize(
    "part", [{"files": FILES[:-1]}, {"args": ("tests/integrations/conformance/test_x.py::test_y",)}]
)
def test_a_run_of_a_part_is_judged_by_what_it_ran(part) -> None:
    assert _run(HERE, contract=PASSED, **part)[0] == 0
    left_out = ("skipped", "contract: So.")
    assert _run(HERE, contract=left_out, **part)[0] == 1


def test_a_run_with_tests_deselected_is_a_part() -> None:
    plugin, kept = Plugin(HERE), _item("contract")
    plugin.pytest_deselected([_item("crash")])
    session: Any = SimpleNamespace(
        items=[kept, *(_item("", path=path) for path in FILES)], config=SimpleNamespace(args=[])
    )
    plugin.pytest_collection_finish(session)
    assert plugin.results.unproven() == []


def test_a_test_elsewhere_proves_too() -> None:
    for outcome, expected in ((PASSED, []), (("skipped", "crash: So."), ["acme"])):
        plugin, item = Plugin(ELSEWHERE), _item("", path=Path("tests/a.py"))
        item.nodeid = "tests/a.py::test_b[one]"
        plugin.pytest_collection_finish(
            SimpleNamespace(items=[item], config=SimpleNamespace(args=[]))  # type: ignore[arg-type]
        )
        plugin.pytest_runtest_logreport(_report(item, *outcome))
        assert [line.partition(":")[0] for line in plugin.results.unproven()] == expected


def test_workers_say_what_there_is_and_the_controller_judges() -> None:
    worker, controller = Plugin(HERE), Plugin(HERE)
    config = SimpleNamespace(args=[], workeroutput={})
    item = _item("contract")
    session: Any = SimpleNamespace(
        items=[item, *(_item("", path=path) for path in FILES)], config=config, exitstatus=0
    )
    worker.pytest_collection_finish(session)
    worker.pytest_sessionfinish(session, pytest.ExitCode.OK)
    assert session.exitstatus == 0
    node = SimpleNamespace(workeroutput=json.loads(json.dumps(config.workeroutput)))
    controller.pytest_testnodedown(node, None)
    controller.pytest_runtest_logreport(_report(item, *PASSED))
    above: Any = SimpleNamespace(config=SimpleNamespace(), exitstatus=0)
    controller.pytest_sessionfinish(above, pytest.ExitCode.OK)
    assert (above.exitstatus, controller.results.unproven()) == (1, ["acme: no test tries crash"])


def test_each_connector_declares_and_this_run_listens(request) -> None:
    plugin = request.config.pluginmanager.get_plugin("holdfast_proving")
    assert plugin.results is not None
    told = declared()
    assert ("microsoft365", "crash") in told.proofs
    assert ("wazuh", "records") in told.proofs
    assert ("webhook", "duplicates") in [p for proofs in told.elsewhere.values() for p in proofs]
    assert PROVES not in dict(request.node.user_properties)
