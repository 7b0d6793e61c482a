"""A vendor in memory, for what a real one can't be made to do at will: one connector, any name."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest

from integrations import catalog, connections, registry
from integrations.contract import Intention, Manifest, ReadBack, Target
from integrations.errors import Rejected
from integrations.models import Connection

Trick = Callable[[str, str], None]


@dataclass
class Vendor:
    """Remembers what was done to whom; `on_call`, `on_read` and `on_ask` may raise or wait first.

    `loses` names actions whose answer and effect are both lost, `hides` those whose effect is had
    and never shown. `answers` is what it tells when asked, by question, `answers_about` what it
    tells about one target.
    """

    name: str
    done: list[tuple[str, str]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    on_call: Trick | None = None
    after_call: Trick | None = None
    on_read: Trick | None = None
    on_ask: Callable[[str], None] | None = None
    hides: set[str] = field(default_factory=set)
    answers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    answers_about: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    asked_about: list[tuple[str, str]] = field(default_factory=list)
    given: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        """Nothing to give back."""

    def call(self, action: str, target: str) -> None:
        """Make the change."""
        with self._lock:
            self.calls.append((action, target))
        if self.on_call:
            self.on_call(action, target)
        with self._lock:
            reversal = catalog.get(action).reversal
            if reversal and (reversal, target) in self.done:
                self.done.remove((reversal, target))
            self.done.append((action, target))
        if self.after_call:
            self.after_call(action, target)

    def holds(self, action: str, target: str) -> bool:
        """Whether the change is there to be seen."""
        if self.on_read:
            self.on_read(action, target)
        return (action, target) in self.done and action not in self.hides


@dataclass(frozen=True)
class _Action:
    name: str
    permissions: tuple[str, ...] = ()

    def snapshot(self, client: Vendor, intention: Intention) -> Mapping[str, Any]:
        return {"was": client.holds(self.name, intention.target.external_id)}

    def call(self, client: Vendor, intention: Intention) -> Mapping[str, Any]:
        client.given.append((intention.target.external_id, intention.inputs))
        client.call(self.name, intention.target.external_id)
        return {"status": 204}

    def read_back(self, client: Vendor, intention: Intention) -> ReadBack:
        holds = client.holds(self.name, intention.target.external_id)
        return ReadBack(holds, {}, "It is so." if holds else "It is not so.")

    def reversal_inputs(self, intention: Intention) -> Mapping[str, Any] | None:
        return {}


@dataclass(frozen=True)
class _Gatherer:
    name: str
    permissions: tuple[str, ...] = ()

    def gather(
        self, client: Vendor, target: Target, inputs: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        client.asked.append((self.name, inputs))
        if client.on_ask:
            client.on_ask(self.name)
        client.asked_about.append((self.name, target.external_id))
        if self.name not in client.answers:
            raise Rejected(f"{client.name} can't tell")
        return client.answers_about.get((self.name, target.external_id), client.answers[self.name])


def _manifest(vendor: Vendor) -> Manifest:
    return Manifest(
        id=vendor.name,
        vendor=vendor.name,
        title=vendor.name,
        documentation="",
        settings={"client_id": "the identity that signs in"},
        secrets={},
        permissions=(),
        rate_limits=(),
        set_up=(),
        feeds=(),
        actions=tuple(_Action(one.name) for one in catalog.ACTIONS if not one.is_read_only),
        gatherers=tuple(_Gatherer(one.name) for one in catalog.ACTIONS if one.is_read_only),
        connect=lambda settings, secrets, **options: vendor,
        canary=lambda client: "It answers.",
        explode=lambda document: [],
    )


@contextmanager
def vendors(monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[dict[str, Vendor]]:
    """Put vendors of these names in the place of all connectors."""
    made = {name: Vendor(name) for name in names}
    manifests = {name: _manifest(vendor) for name, vendor in made.items()}
    with monkeypatch.context() as patch:
        patch.setattr(registry, "CONNECTORS", MappingProxyType(manifests))
        registry.action.cache_clear()
        registry.gatherer.cache_clear()
        yield made
    registry.action.cache_clear()
    registry.gatherer.cache_clear()


def connect(name: str) -> Connection:
    """Connect the scope's tenant to a vendor of that name."""
    return connections.create(
        connector=name,
        name=name,
        settings={"client_id": f"app-of-{name}"},
        secrets={},
        actor="test",
    )
