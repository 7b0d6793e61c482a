"""One alert by POST beside a bare DRF view, and a batch through intake beside COPY of its rows.

Both of a pair are measured by turns in the same run, several times; what is told is the median of
their ratios with the lowest and the highest. The bare view stands in the same Django with the same
middleware, parses the same JSON and inserts one row; COPY writes the very rows that intake stored,
into tables with the same indexes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
from django.conf import settings
from django.db import connections as databases
from django.test import Client, override_settings
from django.urls import include, path
from psycopg import sql
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.bare import Row
from integrations import connections, inbound, registry, signing
from integrations.alerting.watching import RuleWatch
from integrations.models import Connection
from tenants import intake, scope, work
from tenants.models import Event, Finding, RawRecord, Tenant
from tenants.records import SourceRecord

_MAPPING = {
    "uid": "id", "time": "at", "title": "what", "severity": "level",
    "entities": {"account": "who", "ip": "from"},
}  # fmt: skip
_SENT_AGAIN = 5


class BareView(APIView):
    """Inserts one row, and nothing else."""

    authentication_classes = []
    permission_classes = []

    def post(self, request: Request) -> Response:
        """Keep the JSON."""
        row = Row.objects.create(body=request.data)
        return Response({"id": row.pk})


urlpatterns = [path("bare", BareView.as_view()), path("", include("msp.urls"))]


@dataclass(frozen=True, slots=True)
class _Pair:
    """How many a second each of two did, in each round."""

    ours: Sequence[float]
    bare: Sequence[float]

    def told(self, unit: str) -> dict[str, float | list[float]]:
        ratios = [ours / bare for ours, bare in zip(self.ours, self.bare, strict=True)]
        return {
            f"{unit}_per_second": round(statistics.median(self.ours), 1),
            f"bare_{unit}_per_second": round(statistics.median(self.bare), 1),
            "ratio": round(statistics.median(ratios), 3),
            "ratio_lowest_and_highest": [round(min(ratios), 3), round(max(ratios), 3)],
        }


def main(arguments: list[str]) -> int:
    """Measure and print a line of JSON; return 1 where an alert was lost or stored twice."""
    parser = argparse.ArgumentParser(prog="python -m bench doors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--posts", type=int, default=150, help="of each in a round")
    parser.add_argument("--batch", type=int, default=1000, help="records in a round")
    options = parser.parse_args(arguments)
    work.on_send(lambda work_id, kind: None)
    with ExitStack() as stack:
        stack.enter_context(override_settings(ROOT_URLCONF="bench.doors", ALLOWED_HOSTS=["*"]))
        databases["owner"].ensure_connection()
        owner: psycopg.Connection = databases["owner"].connection
        stack.callback(_remove_tables, owner)
        _make_table(owner)
        tenant = Tenant.objects.create(slug="doors", name="Doors")
        posts = _posts(tenant, options.rounds, options.posts)
        told: dict[str, object] = {"post": posts.told("posts")}
        for name, make in (("events", _sign_in), ("alerts", _alert)):
            batches = _batches(owner, name, make, options.rounds, options.batch)
            told[f"batch_of_{name}"] = batches.told("records")
        with scope.tenant(tenant.id):
            told["lost_or_twice"] = Finding.objects.count() - options.rounds * options.posts
    print(json.dumps(told, indent=2))
    return 1 if told["lost_or_twice"] else 0


def _make_table(owner: psycopg.Connection) -> None:
    with databases["owner"].schema_editor() as editor:
        editor.create_model(Row)
    role = sql.Identifier(settings.DATABASE_APP_ROLE)
    owner.execute(sql.SQL("GRANT ALL ON bench_row TO {}").format(role))
    owner.execute(sql.SQL("GRANT ALL ON SEQUENCE bench_row_id_seq TO {}").format(role))


def _remove_tables(owner: psycopg.Connection) -> None:
    made = "SELECT tablename FROM pg_tables WHERE tablename LIKE 'bench\\_%'"
    for (table,) in owner.execute(made).fetchall():
        owner.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(table)))


def _alert(number: int) -> dict[str, object]:
    return {
        "id": f"a-{number}", "at": "2026-11-25T10:00:00Z", "what": "Odd sign-in", "level": "high",
        "who": f"person{number % 50}@clinic.example", "from": f"198.51.100.{number % 250}",
    }  # fmt: skip


def _sign_in(number: int) -> dict[str, object]:
    return {
        "class_uid": 3002, "category_uid": 3, "activity_id": 1, "type_uid": 300201,
        "severity_id": 1, "time": 1_764_064_800_000 + number, "status_id": 1,
        "metadata": {"version": "1.8.0", "product": {"name": "Door"}},
        "user": {"name": f"person{number % 50}@clinic.example"},
        "src_endpoint": {"ip": f"203.0.113.{number % 250}"},
    }  # fmt: skip


def _posts(tenant: Tenant, rounds: int, posts: int) -> _Pair:
    with scope.tenant(tenant.id):
        source = connections.create(
            connector="webhook", name="source", secrets={}, actor="bench",
            settings={"feed": "json", "mapping": json.dumps(_MAPPING)},
        )  # fmt: skip
        key = inbound.key_of(Connection.in_scope().select_related("secret").get(id=source.id))
    door, sender = f"/api/v1/in/{tenant.id}/{source.id}", Client()

    def send(bodies: Sequence[bytes]) -> float:
        signed = [
            (body, signing.headers(key, f"msg_{uuid.uuid4().hex}", int(time.time()), body))
            for body in bodies
        ]
        began = time.perf_counter()
        for body, headers in signed:
            _accepted(sender, door, body, headers)
        return len(signed) / (time.perf_counter() - began)

    def send_bare(bodies: Sequence[bytes]) -> float:
        began = time.perf_counter()
        for body in bodies:
            _accepted(sender, "/bare", body, {})
        return len(bodies) / (time.perf_counter() - began)

    ours, bare = [], []
    for number in range(rounds):
        bodies = [json.dumps(_alert(number * posts + one)).encode() for one in range(posts)]
        bare.append(send_bare(bodies))
        ours.append(send(bodies))
        # The same alerts in other deliveries are the same alerts.
        send(bodies[:_SENT_AGAIN])
    return _Pair(ours, bare)


def _accepted(sender: Client, to: str, body: bytes, headers: dict[str, str]) -> None:
    answer = sender.post(to, body, content_type="application/json", headers=headers)
    if answer.status_code != 200:
        raise RuntimeError(f"{to} answered {answer.status_code}: {answer.content!r}")


def _batches(
    owner: psycopg.Connection,
    name: str,
    make: Callable[[int], dict[str, object]],
    rounds: int,
    size: int,
) -> _Pair:
    """Take a batch in for a fresh client, and COPY the rows that came of it; by turns."""
    feed = registry.connector("webhook").feed("ocsf" if name == "events" else "json")
    normalise = feed.normaliser({"feed": feed.name, "mapping": json.dumps(_MAPPING)})
    kept = Event if name == "events" else Finding
    tables = [RawRecord._meta.db_table, kept._meta.db_table]
    for table in tables:
        like = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)")
        owner.execute(like.format(_copy(name, table), sql.Identifier(table)))
    ours, bare = [], []
    for number in range(rounds):
        tenant = Tenant.objects.create(slug=f"{name}-{number}", name=name)
        records = [SourceRecord(make(one)) for one in range(size)]
        began = time.perf_counter()
        with scope.tenant(tenant.id):
            outcome = intake.take(
                connector="webhook", feed=feed.name, records=records, normalise=normalise,
                watch=RuleWatch(),
            )  # fmt: skip
        ours.append(size / (time.perf_counter() - began))
        if outcome.events + outcome.findings != size:
            raise RuntimeError(f"Of {size} records {outcome.as_json()} were kept.")
        bare.append(size / _copied(owner, name, tables, tenant.id))
    return _Pair(ours, bare)


def _copied(
    owner: psycopg.Connection, name: str, tables: Sequence[str], tenant_id: uuid.UUID
) -> float:
    """Return the seconds that COPY takes for a client's rows of some tables."""
    rows = {}
    with scope.tenant(tenant_id), databases["default"].cursor() as cursor:
        for table in tables:
            with cursor.copy(sql.SQL("COPY (SELECT * FROM {}) TO STDOUT").format(
                sql.Identifier(table)
            )) as out:  # fmt: skip
                rows[table] = b"".join(bytes(chunk) for chunk in out)
    began = time.perf_counter()
    with owner.transaction(), owner.cursor() as cursor:
        for table in tables:
            into = sql.SQL("COPY {} FROM STDIN").format(_copy(name, table))
            with cursor.copy(into) as copy:
                copy.write(rows[table])
    return time.perf_counter() - began


def _copy(name: str, table: str) -> sql.Identifier:
    return sql.Identifier(f"bench_{name}_{table}")
