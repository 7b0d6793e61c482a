"""The generic webhook under the conformance suite: what of it can be asked is its own door."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations import signing
from integrations.connectors.webhook import reading
from integrations.connectors.webhook.manifest import MANIFEST
from integrations.contract import Json
from tenants.records import SourceRecord
from tests.integrations.conformance.subject import TOPICS, Subject, Vendor
from tests.integrations.webhook.door import Door

_SENT = (
    "Nothing is read from a source: it sends to us. What of this can happen to a delivery is tried "
    "in tests/msp/api/test_inbound.py."
)
_NO_ACTION = "A source can't be asked to do anything."
_INBOUND = "tests/msp/api/test_inbound.py"
_CUT_OFF = "test_a_delivery_that_is_cut_off_is_whole_when_it_comes_again"
_TRIED = {"health", "addresses"}
_CEF = (
    "CEF:0|Acme|Wall|1.0|100|Connection refused|5|src=10.0.0.{n} dst=198.51.100.7 act=blocked "
    "rt=176406{n:07d}"
)


def _sign_in(number: int) -> SourceRecord:
    return SourceRecord(
        {
            "class_uid": 3002, "category_uid": 3, "activity_id": 1, "type_uid": 300201,
            "severity_id": 1, "time": 1_764_064_800_000 + number, "status_id": 1,
            "metadata": {"version": "1.8.0", "product": {"name": "Door"}},
            "user": {"name": f"person{number % 20}@clinic.example"},
            "src_endpoint": {"ip": "203.0.113.9"},
        }
    )  # fmt: skip


def _lines() -> list[SourceRecord]:
    content = "\n".join(_CEF.format(n=number) for number in range(200)).encode()
    read = reading.lines(content, dt.datetime(2026, 1, 3, tzinfo=dt.UTC))
    return [one for one in read if isinstance(one, SourceRecord)]


class Sender(Vendor):
    """A source; `door` is where it sends."""

    def __init__(self, door: Door, key: str) -> None:
        self.manifest = MANIFEST
        self.door = door
        self.settings = {"feed": "json", "door": door.url}
        self.secrets = {signing.KEY: key}

    def fault(self, kind: str, **options: Any) -> None:
        """Never asked for: the topics of faults are left out."""
        raise NotImplementedError(kind)

    def clear_faults(self) -> None:
        """There are none."""

    def grant(self, permissions: Sequence[str]) -> None:
        """Let the source be taken in, or not."""
        self.door.open(bool(permissions))

    def requests(self, method: str = "", path: str = "") -> list[Json]:
        """What came to the door."""
        return [
            one
            for one in self.door.requests
            if method in ("", one["method"]) and re.search(path, one["path"])
        ]

    def credentials(self) -> set[str]:
        """A key is never sent."""
        return set()


class WebhookSubject(Subject):
    """One source with its key."""

    manifest = MANIFEST
    endpoints = ("door",)
    real_server = "Holdfast's own door under uvicorn, and log lines as Debian's logger writes them"
    sent = {"ocsf": [_sign_in(number) for number in range(200)], "cef": _lines()}
    left_out = {
        **{topic: _SENT for topic in TOPICS if topic not in _TRIED},
        "actions": _NO_ACTION,
        "late_effects": _NO_ACTION,
        "permissions": "A source has one permission, its key; without it nothing is taken, as "
        "tests/msp/api/test_inbound.py tries.",
        "contract": "Standard Webhooks publishes no machine-readable contract; its own example is "
        "checked in tests/integrations/test_signing.py.",
    }
    excused = {
        **{topic: "nothing is read" for topic in TOPICS if topic not in _TRIED},
        **dict.fromkeys(("actions", "late_effects"), "nothing is changed"),
        "throttling": f"{_INBOUND}::test_a_paused_source_is_asked_to_come_again",
        "refusals": f"{_INBOUND}::test_too_much_or_compressed_is_told",
        "server_errors": f"{_INBOUND}::{_CUT_OFF}",
        "crash": f"{_INBOUND}::{_CUT_OFF}",
        "out_of_order": f"{_INBOUND}::test_what_comes_out_of_order_leaves_the_newest_state",
        "duplicates": f"{_INBOUND}::test_a_replay_changes_nothing",
        "broken_answers": f"{_INBOUND}::test_an_unreadable_body_is_quarantined_and_counted",
        "permissions": f"{_INBOUND}::test_what_is_not_from_the_source_is_turned_away_alike",
        "secrets": f"{_INBOUND}::test_each_source_has_its_own_encrypted_key_and_can_get_a_new_one",
        "contract": "tests/integrations/test_signing.py::test_the_published_example",
    }

    @contextmanager
    def running(self, folder: Path) -> Iterator[Sender]:
        """A door, and a source that has its key."""
        key = signing.new_key()
        with Door(key) as door:
            yield Sender(door, key)

    def address(self, setting: str, host: str) -> str:
        """The door at a host."""
        return f"https://{host}/api/v1/in/tenant/source"


SUBJECT = WebhookSubject()
