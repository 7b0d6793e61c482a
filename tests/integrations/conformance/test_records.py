"""Recorded data goes through intake whole: nothing is lost, and each quarantine is justified."""

from collections import Counter
from pathlib import Path

import pytest

from integrations import files
from tenants import intake, scope
from tenants.models import RawRecord

RECORDS = Path(__file__).parents[4] / "shared/records"


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


@pytest.mark.skipif(not RECORDS.exists(), reason="the vendors' records are not in ../shared")
def test_recorded_data_is_taken_in_whole(subject, tenant, recorded) -> None:
    manifest = subject.manifest
    feed, found = manifest.feed(recorded.feed), _files(RECORDS / recorded.path)
    assert found, f"{recorded.path} holds no file"
    with scope.tenant(tenant.id):
        for path in found:
            records = list(files.read(path, manifest.explode))
            outcome = intake.take(
                connector=manifest.id, feed=feed.name, records=records, normalise=feed.normalise
            )
            assert outcome.records == len(records), path
            kinds = (outcome.events, outcome.findings, outcome.directory)
            assert sum(kinds) + outcome.duplicates + outcome.quarantined == len(records), path
        raw = RawRecord.objects.filter(outcome=RawRecord.Outcome.QUARANTINED)
        quarantined = Counter(raw.values_list("reason_code", flat=True))
    expected = {code: count for code, (count, _) in recorded.quarantined.items()}
    assert quarantined == expected, f"{recorded.path}: {dict(quarantined)}"
    for code, (_, why) in recorded.quarantined.items():
        assert why.endswith("."), code
