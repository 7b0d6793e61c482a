"""What the tests of all topics do: read a feed through, and carry an action out."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

from integrations import registry
from integrations.contract import Client, Intention, Json, Manifest, Target
from tenants.records import DirectoryItem, Normalised
from tests.integrations.conformance.subject import PASSWORD, ActionCase, Subject, Vendor


def key_of(item: Normalised) -> tuple:
    """By what two readings of a record are the same."""
    if isinstance(item, DirectoryItem):
        return item.kind, item.external_id
    return item.class_uid, item.uid


def sweep(
    manifest: Manifest, client: Client, name: str, cursor: Json | None = None
) -> tuple[list[Normalised], Json]:
    """Read a feed until it has no more; cursors go through JSON, as they are stored.

    What it tells at the end to have been refused for one object is raised.
    """
    feed = manifest.feed(name)
    assert feed.fetch is not None
    found: list[Normalised] = []
    state, is_last = dict(cursor or {}), False
    for page in feed.fetch(client, state):
        found += [feed.normalise(record) for record in page.records]
        state, is_last = json.loads(json.dumps(dict(page.cursor))), page.is_last
        if is_last and page.refused is not None:
            raise page.refused
    assert is_last, "the feed ended without saying so"
    return found, state


def read_once(subject: Subject, client: Client) -> list[Normalised]:
    """Read the subject's sample feed through."""
    return sweep(subject.manifest, client, subject.feed)[0]


def intend(vendor: Vendor, client: Client, case: ActionCase, target: Target) -> Intention:
    """Prepare the vendor, keep the prior state, and write down the intention, as the runner."""
    inputs = case.inputs(vendor, target)
    case.prepare(vendor, target)
    if case.undoes:
        inputs = _undone(vendor, client, case.undoes, target, inputs)
    return intention(vendor, client, case.action, target, inputs)


def intention(
    vendor: Vendor, client: Client, action: str, target: Target, inputs: Json
) -> Intention:
    """The intention with its snapshot."""
    made = registry.action(vendor.manifest.id, action)
    draft = Intention(target, inputs, dt.datetime.now(dt.UTC), {}, {"new_password": PASSWORD})
    snapshot = made.snapshot(client, draft)
    assert json.loads(json.dumps(snapshot)) == snapshot
    return replace(draft, snapshot=snapshot, since=dt.datetime.now(dt.UTC))


def _undone(vendor: Vendor, client: Client, action: str, target: Target, inputs: Json) -> Json:
    first = registry.action(vendor.manifest.id, action)
    done = intention(vendor, client, action, target, inputs)
    first.call(client, done)
    undoing = first.reversal_inputs(done)
    assert undoing is not None, f"{action} says that there is nothing to undo"
    return undoing


def reads_of(vendor: Vendor, subject: Subject) -> list[Json]:
    """The requests for pages of the sample feed."""
    return vendor.requests(path=subject.pages)


def writes_of(vendor: Vendor, case: ActionCase) -> list[Json]:
    """The requests that change something in a case."""
    return vendor.requests(case.request.get("method", ""), case.request.get("path", ""))


def observed(vendor: Vendor, case: ActionCase, target: Target) -> Any:
    """What the vendor really holds, comparable."""
    return json.loads(json.dumps(case.observe(vendor, target), default=str))
