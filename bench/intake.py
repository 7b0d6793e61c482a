"""Records a second through intake, for each connector, beside what the bare database takes in.

The records are read once, from the connector's simulator or the real server that its tests run, or
are those that a source sends; then they are taken in for one fresh client after another. A real
server that can't run here is named with the reason. The yardstick, in the same run, writes the same
bodies and a JSON document for each in the same statements of 500 rows, with nothing above the
database.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from integrations.contract import Feed
from msp.appliance import postgres
from tenants import intake, scope, work
from tenants.models import Tenant
from tenants.records import SourceRecord
from tests.integrations.conformance.conftest import SUBJECTS
from tests.integrations.conformance.subject import Subject

_SECONDS = 3.0
_PAGES_OF_A_FEED = 20
_ROWS = 500
_YARDSTICK = """
CREATE TABLE bench_yardstick (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), body bytea, document jsonb
)
"""
Records = list[tuple[Feed, list[SourceRecord]]]


def main(arguments: list[str]) -> int:
    """Measure each connector, and print a line of JSON; return 1 where records were lost."""
    parser = argparse.ArgumentParser(prog="python -m bench intake", description=__doc__)
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="for each connector")
    parser.add_argument("--only", default="", help="one connector's name")
    options = parser.parse_args(arguments)
    work.on_send(lambda work_id, kind: None)
    told: dict[str, dict[str, float]] = {}
    left_out: dict[str, str] = {}
    for subject in SUBJECTS:
        name = subject.manifest.id
        if options.only not in ("", name):
            continue
        try:
            told[name] = _measured(subject, records_of(subject), options.seconds)
        except pytest.skip.Exception as why:
            left_out[name] = str(why)
    print(json.dumps({**told, "left_out": left_out}, indent=2))
    return 1 if any(one["lost"] for one in told.values()) else 0


def records_of(subject: Subject) -> Records:
    """Return a connector's records by feed; pytest's Skipped says why its server can't run here."""
    if subject.sent:
        feeds = subject.manifest.feeds
        return [
            (feed, list(subject.sent[feed.name])) for feed in feeds if feed.name in subject.sent
        ]
    found: Records = []
    with tempfile.TemporaryDirectory() as folder, subject.running(Path(folder)) as vendor:
        client = vendor.connect()
        for feed in subject.manifest.feeds:
            if feed.fetch is not None:
                pages = islice(feed.fetch(client, {}), _PAGES_OF_A_FEED)
                found.append((feed, [record for page in pages for record in page.records]))
        client.close()
    return [(feed, records) for feed, records in found if records]


def _measured(subject: Subject, records: Records, seconds: float) -> dict[str, float]:
    total = intake.Outcome()
    began = time.perf_counter()
    for number in count():
        for feed, of_feed in records:
            with _client(f"{subject.manifest.id.replace('_', '-')}-{number}"):
                total.add(
                    intake.take(
                        connector=subject.manifest.id, feed=feed.name, records=of_feed,
                        normalise=feed.normalise,
                    )
                )  # fmt: skip
        if (passed := time.perf_counter() - began) >= seconds:
            break
    kept = total.events + total.findings + total.directory + total.duplicates + total.quarantined
    rate = total.records / passed
    bare = _bare([record for _, of_feed in records for record in of_feed], seconds / 3)
    return {
        "records": total.records,
        "records_per_second": round(rate),
        "bare_rows_per_second": round(bare),
        "ratio_to_bare": round(rate / bare, 4),
        "quarantined": total.quarantined,
        "lost": total.records - kept,
    }


@contextmanager
def _client(slug: str) -> Iterator[None]:
    tenant, _ = Tenant.objects.get_or_create(slug=slug, defaults={"name": slug})
    with scope.tenant(tenant.id):
        yield


def _bare(records: list[SourceRecord], seconds: float) -> float:
    """Return the rows a second that the database alone takes in."""
    bodies = [dict(record.body) for record in records]
    rows = [(json.dumps(body).encode(), Jsonb(body)) for body in bodies]
    rows = (rows * (_ROWS // len(rows) + 1))[:_ROWS]
    values = ", ".join(["(%s, %s)"] * len(rows))
    statement = f"INSERT INTO bench_yardstick (body, document) VALUES {values}"  # noqa: S608
    flat = [value for row in rows for value in row]
    with psycopg.connect(postgres.embedded().owner_url(), autocommit=True) as connection:
        connection.execute(_YARDSTICK)
        try:
            done, began = 0, time.perf_counter()
            while (passed := time.perf_counter() - began) < seconds:
                connection.execute(statement, flat)
                done += len(rows)
            return done / passed
        finally:
            connection.execute("DROP TABLE bench_yardstick")
