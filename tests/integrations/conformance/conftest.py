"""Every registered connector, with each of its feeds and actions, goes through each test here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest

from integrations import registry
from integrations.contract import Client
from tests.integrations.conformance.subject import TOPICS, ActionCase, Door, Subject, Vendor


def subjects() -> list[Subject]:
    """The subject of every registered connector."""
    return [
        importlib.import_module(f"tests.integrations.{name}.subject").SUBJECT
        for name in registry.CONNECTORS
    ]


SUBJECTS = subjects()
KINDS = ("feed_name", "case", "write", "setting", "recorded", "door")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each connector, or for each of its feeds or actions.

    A test names its topic by its module's TOPIC or the marker `topic`.
    """
    if "subject" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("topic")
    topic = marker.args[0] if marker else getattr(metafunc.module, "TOPIC", "")
    assert topic in ("", *TOPICS), topic
    kind = next((name for name in KINDS if name in metafunc.fixturenames), "")
    names = ["subject", kind] if kind else ["subject"]
    found = [
        pytest.param(*values, id=name, marks=_marks(topic, *values))
        for subject in SUBJECTS
        for name, *values in _values(subject, kind)
    ]
    metafunc.parametrize(names, found)


def _values(subject: Subject, kind: str) -> list[tuple]:
    own = subject.manifest.id
    if kind == "feed_name":
        return [(f"{own}-{name}", subject, name) for name in subject.polled]
    if kind == "case":
        return [(f"{own}-{case.action}", subject, case) for case in subject.actions]
    if kind == "write":
        return [(f"{own}-{case.action}", subject, case) for case in subject.writes]
    if kind == "setting":
        return [(f"{own}-{name}", subject, name) for name in subject.endpoints]
    if kind == "recorded":
        return [(f"{own}-{one.feed}-{one.path}", subject, one) for one in subject.records]
    if kind == "door":
        return [(f"{own}-{one.feed}-{one.pages}", subject, one) for one in subject.other_doors]
    return [(own, subject)]


def _marks(topic: str, subject: Subject, one: object = None) -> list[pytest.MarkDecorator]:
    own = one.left_out.get(topic, "") if isinstance(one, Door) else ""
    if isinstance(one, ActionCase) and topic == "contract":
        own = one.outside_contract
    why = subject.why_not(topic) or own
    return [pytest.mark.skip(reason=f"{topic}: {why}")] if why else []


@pytest.fixture
def vendor(subject: Subject, tmp_path) -> Iterator[Vendor]:
    """The subject's vendor, running."""
    with subject.running(tmp_path) as started:
        yield started


@pytest.fixture
def client(vendor: Vendor) -> Iterator[Client]:
    """A client connected to the vendor."""
    connected = vendor.connect()
    yield connected
    connected.close()
