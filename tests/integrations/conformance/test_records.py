"""Recorded data goes through the intake command whole: nothing is lost, and each quarantine is
justified."""

import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from tenants import scope
from tenants.models import RawRecord
from tests.integrations.conformance.conftest import SUBJECTS
from tests.integrations.conformance.subject import RECORDS

PROVES = "records"
WHY_ABSENT = "the vendors' records are not in ../shared"
# What lies beside the records and is no vendor's.
NO_RECORDS: Mapping[str, str] = {
    "MANIFEST.md": "It says where each file comes from.",
    "scuba-oracle": "CISA's policies with the inputs and outcomes of its own tests: they judge "
    "posture checks, and no vendor sends them.",
}
# Under these names vendors' envelopes hold their lists.
_LISTS = (
    "value", "resources", "data", "items", "affected_items", "alerts", "users", "activities",
    "responses", "hits", "records",
)  # fmt: skip


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


def _documents(path: Path) -> Iterator[Any]:
    text = path.read_text("utf-8-sig")
    try:
        yield json.loads(text)
    except ValueError:
        for line in filter(str.strip, text.splitlines()):
            try:
                yield json.loads(line)
            except ValueError:
                yield line


def _objects(value: Any) -> int:
    """How many records there are at least, by what JSON shows: no connector is asked."""
    if isinstance(value, list):
        return sum(_objects(one) for one in value)
    if not isinstance(value, dict):
        return 1
    if {"url", "status", "body"} <= value.keys():
        return _objects(value["body"])
    lists = [value[name] for name in _LISTS if _is_listing(value.get(name))]
    return sum(len(found) for found in lists) if lists else 1


def _is_listing(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _intake(path: Path, manifest, feed: str, tenant) -> dict[str, Any]:
    """What the command says of a file."""
    out = io.StringIO()
    call_command(
        "intake", str(path), tenant=tenant.slug, connector=manifest.id, feed=feed, json=True,
        stdout=out,
    )  # fmt: skip
    return json.loads(out.getvalue())


@pytest.mark.skipif(not RECORDS.exists(), reason=WHY_ABSENT)
def test_recorded_data_is_taken_in_whole_and_once(subject, tenant, recorded) -> None:
    found = _files(RECORDS / recorded.path)
    assert found, f"{recorded.path} holds no file"
    for path in found:
        told = _intake(path, subject.manifest, recorded.feed, tenant)
        kinds = ("events", "findings", "directory", "duplicates", "quarantined")
        assert sum(told[kind] for kind in kinds) == told["records"], path
        there = sum(_objects(document) for document in _documents(path))
        assert told["records"] >= there, f"{path}: {there} records are in it"
        if told["records"] > 1:
            again = _intake(path, subject.manifest, recorded.feed, tenant)
            assert again["duplicates"] == again["records"] == told["records"], path
    with scope.tenant(tenant.id):
        raw = RawRecord.objects.filter(outcome=RawRecord.Outcome.QUARANTINED)
        quarantined = Counter(raw.values_list("reason_code", flat=True))
    expected = {code: count for code, (count, _) in recorded.quarantined.items()}
    assert quarantined == expected, f"{recorded.path}: {dict(quarantined)}"
    for code, (_, why) in recorded.quarantined.items():
        assert why.endswith("."), code


@pytest.mark.skipif(not RECORDS.exists(), reason=WHY_ABSENT)
def test_no_file_of_the_records_is_left_out() -> None:
    taken = {
        path
        for subject in SUBJECTS
        for recorded in subject.records
        for path in _files(RECORDS / recorded.path)
    }
    left = {path.relative_to(RECORDS) for path in _files(RECORDS)} - {
        path.relative_to(RECORDS) for path in taken
    }
    excused = {path for path in left for name in NO_RECORDS if path.is_relative_to(name)}
    assert left == excused, "name these in the records of a subject, or say here why not"
    assert {str(path.parts[0]) for path in left} == NO_RECORDS.keys()
    assert all(why.endswith(".") for why in NO_RECORDS.values())
