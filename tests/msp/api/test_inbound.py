"""The door: signed, taken once, nothing lost, and nothing of one client for another."""

import json
import socket
import threading
import time
import uuid
from dataclasses import replace

import httpx
import pytest
from django.db import connections as databases
from django.test import Client

from integrations import checking, connections, inbound, signing
from integrations.connectors.webhook.normalise import mapped
from integrations.errors import ConnectionMisconfigured, Unauthorised
from integrations.models import Connection, Delivery, FeedState
from msp.api import inbound as door
from tenants import scope
from tenants.models import Event, Finding, LedgerEntry, RawRecord, Secret, Work
from tests.integrations.webhook.door import Door
from tests.journeys.processes import Processes, wait_until

MAPPING = json.dumps(
    {"uid": "id", "time": "at", "title": "what", "severity": "level",
     "entities": {"account": "who", "ip": "from"}}
)  # fmt: skip
ALERT = {"id": "a-1", "at": "2026-11-25T10:00:00Z", "what": "Odd sign-in", "level": "high",
         "who": "Ann@Example.example", "from": "198.51.100.7"}  # fmt: skip


def source(tenant, feed: str = "json", name: str = "the source", **settings: str) -> Connection:
    told = {"feed": feed, **({"mapping": MAPPING} if feed == "json" else {}), **settings}
    with scope.tenant(tenant.id):
        return connections.create(
            connector="webhook", name=name, settings=told, secrets={}, actor="test"
        )


def key_of(where: Connection) -> str:
    with scope.tenant(where.tenant_id):
        return inbound.key_of(Connection.in_scope().select_related("secret").get(id=where.id))


def path_of(where: Connection) -> str:
    return f"/api/v1/in/{where.tenant_id}/{where.id}"


def signed(where: Connection, body: bytes, delivery: str = "", age: int = 0, key: str = "") -> dict:
    return signing.headers(
        key or key_of(where), delivery or f"msg_{uuid.uuid4().hex}", int(time.time()) - age, body
    )


def send(where: Connection, body: bytes | dict | list, path: str = "", **how):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    client = Client(raise_request_exception=how.pop("raises", True))
    headers = {**how.pop("headers", {}), **signed(where, content, **how)}
    return client.post(
        path or path_of(where), content, content_type="application/json", headers=headers
    )


def counts(tenant) -> tuple[int, int, int]:
    """Raw records, events and findings."""
    with scope.tenant(tenant.id):
        return RawRecord.objects.count(), Event.objects.count(), Finding.objects.count()


def test_a_signed_delivery_becomes_a_finding_and_goes_to_triage(tenant) -> None:
    where = source(tenant)
    answer = send(where, ALERT, delivery="msg_1")
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["delivery"], told["repeated"], told["findings"]) == ("msg_1", False, 1)
    assert answer.headers["Cache-Control"] == "no-store"
    with scope.tenant(tenant.id):
        found = Finding.objects.get()
        assert (found.connector, found.title, found.severity_id) == ("webhook", "Odd sign-in", 4)
        assert set(found.entities) == {"account:ann@example.example", "ip:198.51.100.7"}
        state = FeedState.objects.get(connection=where)
        assert (state.feed, state.records, state.error) == ("json", 1, "")
        assert state.last_success_at is not None
        assert state.last_record_at is not None
        where.refresh_from_db()
        assert where.last_healthy_at is not None
    assert Work.objects.filter(kind="triage", tenant_id=tenant.id).count() == 1


@pytest.mark.parametrize("code", ["unsigned", "other_key", "changed_body", "stale", "no_source"])
def test_what_is_not_from_the_source_is_turned_away_alike(tenant, other_tenant, code) -> None:
    where = source(tenant)
    body = json.dumps(ALERT).encode()
    headers, path = signed(where, body), path_of(where)
    if code == "unsigned":
        headers = {}
    elif code == "other_key":
        headers = signed(where, body, key=key_of(source(other_tenant)))
    elif code == "changed_body":
        body = body.replace(b"high", b"low")
    elif code == "stale":
        headers = signed(where, body, age=400)
    else:
        path = f"/api/v1/in/{tenant.id}/{uuid.uuid4()}"
    answer = Client().post(path, body, content_type="application/json", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert tenant.slug not in answer.content.decode()
    assert counts(tenant) == (0, 0, 0)
    with scope.tenant(tenant.id):
        assert not Delivery.objects.exists()
        error = FeedState.objects.get(connection=where).error
    assert bool(error) is (code != "no_source")


def test_whether_a_source_exists_shows_in_no_answer(tenant) -> None:
    where = source(tenant)
    body = json.dumps(ALERT).encode()
    wrong = signed(where, body, key=signing.new_key())
    told = [
        Client().post(path, body, content_type="application/json", headers=wrong)
        for path in (path_of(where), f"/api/v1/in/{tenant.id}/{uuid.uuid4()}",
                     f"/api/v1/in/{uuid.uuid4()}/{where.id}")
    ]  # fmt: skip
    assert {(one.status_code, one.json()["detail"]) for one in told} == {
        (401, "The signature is not of this source's key.")
    }


def test_a_replay_changes_nothing(tenant) -> None:
    where = source(tenant)
    body = json.dumps(ALERT).encode()
    headers = signed(where, body)
    first, second = (
        Client().post(path_of(where), body, content_type="application/json", headers=headers)
        for _ in range(2)
    )
    assert (first.json()["repeated"], second.json()["repeated"]) == (False, True)
    assert second.json()["records"] == 0
    # Signed anew, as a sender does that got no answer.
    again = send(where, {**ALERT, "id": "a-2"}, delivery=headers["webhook-id"])
    assert again.json()["repeated"] is True
    assert counts(tenant) == (1, 0, 1)
    with scope.tenant(tenant.id):
        assert FeedState.objects.get(connection=where).records == 1


def test_two_sources_may_use_the_same_delivery_id(tenant, other_tenant) -> None:
    one, two, theirs = source(tenant), source(tenant, name="another"), source(other_tenant)
    for number, where in enumerate((one, two, theirs)):
        answer = send(where, {**ALERT, "id": str(number)}, delivery="msg_same")
        assert answer.json()["repeated"] is False
    assert (counts(tenant)[2], counts(other_tenant)[2]) == (2, 1)


def test_a_source_reaches_only_its_own_client(tenant, other_tenant) -> None:
    mine, theirs = source(tenant), source(other_tenant)
    for path in (path_of(theirs), f"/api/v1/in/{other_tenant.id}/{mine.id}",
                 f"/api/v1/in/{tenant.id}/{theirs.id}"):  # fmt: skip
        assert send(mine, ALERT, path=path).status_code == 401
    assert counts(tenant) == counts(other_tenant) == (0, 0, 0)
    assert send(mine, ALERT).status_code == 200
    assert (counts(tenant)[2], counts(other_tenant)[2]) == (1, 0)
    with scope.tenant(other_tenant.id):
        assert not Delivery.objects.exists()


def test_an_unreadable_body_is_quarantined_and_counted(tenant) -> None:
    where = source(tenant)
    body = b'{"id": "a-1", "at"'
    told = send(where, body).json()
    assert (told["records"], told["quarantined"]) == (1, 1)
    told = send(where, [ALERT, {"id": "a-2"}, 7]).json()
    assert (told["records"], told["findings"], told["quarantined"]) == (3, 1, 2)
    with scope.tenant(tenant.id):
        held = RawRecord.objects.filter(outcome="quarantined")
        assert body in {bytes(one.body) for one in held}
        assert {one.reason_code for one in held} == {"not_json", "missing_time", "not_an_object"}


def test_a_record_that_no_column_holds_loses_no_neighbour(tenant, monkeypatch) -> None:
    where, usual = source(tenant), mapped.read

    def too_sure(record, *how):
        found = usual(record, *how)
        return replace(found, confidence=10**9) if record.body["id"] == "a-2" else found

    monkeypatch.setattr(mapped, "read", too_sure)
    answer = send(where, [ALERT, {**ALERT, "id": "a-2"}, {**ALERT, "id": "a-3"}], delivery="msg_1")
    assert (answer.json()["findings"], answer.json()["quarantined"]) == (2, 1)
    assert next(iter(answer.json()["reasons"])).startswith("unstorable")
    assert counts(tenant) == (3, 0, 2)
    assert send(where, ALERT, delivery="msg_1").json()["repeated"]


def test_a_delivery_that_is_cut_off_is_whole_when_it_comes_again(tenant, monkeypatch) -> None:
    where = source(tenant)

    def cut_off(*args: object) -> None:
        raise OSError("the database went away")

    with monkeypatch.context() as broken:
        broken.setattr(inbound, "_delivered", cut_off)
        answer = send(where, [ALERT, {"id": "a-2"}], delivery="msg_1", raises=False)
    assert answer.status_code == 500
    assert b"went away" not in answer.content
    assert counts(tenant) == (0, 0, 0)
    told = send(where, [ALERT, {"id": "a-2"}], delivery="msg_1").json()
    assert (told["repeated"], told["findings"], told["quarantined"]) == (False, 1, 1)


def test_what_comes_out_of_order_leaves_the_newest_state(tenant) -> None:
    where = source(tenant, "ocsf")

    def detection(modified: int, severity: int) -> dict:
        return {
            "class_uid": 2004, "category_uid": 2, "activity_id": 2, "type_uid": 200402,
            "time": 1_764_064_800_000, "severity_id": severity,
            "metadata": {"version": "1.8.0", "product": {"name": "Door"}},
            "finding_info": {"uid": "f-1", "title": "Odd", "modified_time": modified},
        }  # fmt: skip

    newest = 1_764_064_900_000
    assert send(where, detection(newest, 5)).json()["findings"] == 1
    send(where, [detection(newest - 1, 2), detection(newest - 2, 1)])
    with scope.tenant(tenant.id):
        assert Finding.objects.get().severity_id == 5
        assert RawRecord.objects.count() == 3


def test_two_sources_that_count_alike_lose_no_alert(tenant) -> None:
    """Each of a client's own systems numbers its alerts from 1."""
    backup, door_lock = source(tenant, name="backup"), source(tenant, name="door lock")
    for _ in range(2):
        send(backup, ALERT | {"id": "1", "what": "Backup failed"})
        send(door_lock, ALERT | {"id": "1", "what": "Door forced"})
    with scope.tenant(tenant.id):
        told = Finding.objects.order_by("title").values_list("title", "uid")
        assert list(told) == [("Backup failed", "backup 1"), ("Door forced", "door lock 1")]


def test_an_older_report_of_its_own_form_does_not_undo_a_newer_one(tenant) -> None:
    where = source(tenant, mapping=json.dumps(json.loads(MAPPING) | {"updated": "changed"}))
    for minute, level in ((5, "high"), (2, "low")):
        send(where, ALERT | {"changed": f"2026-11-25T10:0{minute}:00Z", "level": level})
    with scope.tenant(tenant.id):
        assert Finding.objects.get().severity_id == 4


def test_lines_come_in_as_they_are(tenant) -> None:
    where = source(tenant, "syslog", time_zone="Europe/Berlin")
    body = (
        b"<34>1 2026-11-25T22:14:15.003Z mail su - ID47 - 'su root' failed\n"
        b"<38>Nov 25 23:14:16 host1 sshd[42]: Failed password for root from 203.0.113.9 port 22 "
        b"ssh2\n\xff\xfe\nno head at all\n"
        b"<134>Nov 25 23:14:17 fw CEF:0|Acme|FW|1|100|Blocked|9|src=203.0.113.9 dst=10.0.0.5\n"
    )
    told = send(where, body).json()
    assert (told["events"], told["findings"], told["quarantined"]) == (2, 1, 2)
    with scope.tenant(tenant.id):
        sign_in = Event.objects.get(class_uid=3002)
        assert (sign_in.is_success, sign_in.source_ip) == (False, "203.0.113.9")
        assert sign_in.time.isoformat()[10:] == "T22:14:16+00:00"


def test_an_empty_delivery_tests_the_key_and_is_not_kept(tenant) -> None:
    where = source(tenant)
    answer = send(where, b"")
    assert (answer.status_code, answer.json()["records"]) == (200, 0)
    assert send(where, b"", key=signing.new_key()).status_code == 401
    assert counts(tenant) == (0, 0, 0)


def test_too_much_or_compressed_is_told(tenant, monkeypatch) -> None:
    where = source(tenant)
    assert send(where, ALERT, headers={"Content-Encoding": "gzip"}).status_code == 415
    monkeypatch.setattr(door, "LARGEST_BYTES", 50)
    answer = send(where, ALERT)
    assert answer.status_code == 413
    assert "fewer" in answer.json()["detail"]
    assert counts(tenant) == (0, 0, 0)


def test_only_post_is_answered(tenant) -> None:
    where = source(tenant)
    assert Client().get(path_of(where)).status_code == 405
    assert Client().post("/api/v1/in/x/y").status_code == 404


def test_a_paused_source_is_asked_to_come_again(tenant) -> None:
    where = source(tenant)
    with scope.tenant(tenant.id):
        Connection.objects.filter(id=where.id).update(state=Connection.State.PAUSED)
    answer = send(where, ALERT, delivery="msg_1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "300")
    with scope.tenant(tenant.id):
        Connection.objects.filter(id=where.id).update(state=Connection.State.ACTIVE)
    assert send(where, ALERT, delivery="msg_1").json()["findings"] == 1


def test_a_client_that_left_is_not_taken_in(tenant) -> None:
    where = source(tenant)
    tenant.is_active = False
    tenant.save()
    assert send(where, ALERT).status_code == 401


def test_each_source_has_its_own_encrypted_key_and_can_get_a_new_one(tenant) -> None:
    one, two = source(tenant), source(tenant, name="another")
    old = key_of(one)
    assert old != key_of(two)
    with scope.tenant(tenant.id):
        for row in Secret.objects.all():
            assert old.encode() not in bytes(row.ciphertext) + bytes(row.wrapped_key)
        assert old not in json.dumps([c.settings for c in Connection.objects.all()])
        renewed = inbound.renew_key(
            Connection.in_scope().select_related("secret").get(id=one.id), actor="test"
        )
        told = LedgerEntry.objects.get(kind="connection.key_renewed")
        assert renewed not in json.dumps(told.body)
    assert send(one, ALERT, key=old).status_code == 401
    assert send(one, ALERT).status_code == 200
    assert send(two, {**ALERT, "id": "a-2"}).status_code == 200


def test_a_mapping_that_broke_later_loses_nothing(tenant) -> None:
    where = source(tenant)
    with scope.tenant(tenant.id):
        Connection.objects.filter(id=where.id).update(settings={"feed": "json", "mapping": "{"})
    assert send(where, ALERT).json()["quarantined"] == 1
    with scope.tenant(tenant.id):
        where.refresh_from_db()
        assert (where.state, "mapping" in where.error) == (Connection.State.BROKEN, True)


@pytest.mark.parametrize(
    ("settings", "secrets", "named"),
    [({"feed": "xml"}, {}, "feed"), ({"feed": "json", "mapping": "[]"}, {}, "mapping"),
     ({"feed": "syslog", "time_zone": "Mars"}, {}, "time_zone"),
     ({"feed": "cef", "alert_from": "x"}, {}, "alert_from"),
     ({"feed": "json"}, {"signing_key": "short"}, "signing key"), ({}, {}, "feed")],
)  # fmt: skip
def test_settings_that_can_not_work_are_named(tenant, settings, secrets, named) -> None:
    with scope.tenant(tenant.id), pytest.raises(ConnectionMisconfigured, match=named):
        connections.create(
            connector="webhook", name="x", settings=settings, secrets=secrets, actor="test"
        )


def test_old_deliveries_are_forgotten(tenant, monkeypatch) -> None:
    where = source(tenant)
    send(where, ALERT, delivery="msg_1")
    monkeypatch.setattr(inbound, "_REMEMBERED", -inbound._REMEMBERED)
    send(where, {**ALERT, "id": "a-2"}, delivery="msg_2")
    with scope.tenant(tenant.id):
        assert [one.delivery_id for one in Delivery.objects.all()] == ["msg_2"]
    # What is forgotten may come again.
    assert send(where, {**ALERT, "id": "a-3"}, delivery="msg_2").json()["findings"] == 1


def test_the_door_checks_the_host_and_tells_browsers_what_any_page_does(tenant, settings) -> None:
    where = source(tenant)
    answer = send(where, ALERT)
    for name, value in {
        "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
        "Content-Length": str(len(answer.content)), "Cache-Control": "no-store",
    }.items():  # fmt: skip
        assert answer.headers[name] == value
    assert not answer.cookies
    settings.ALLOWED_HOSTS = ["elsewhere.example"]
    assert send(where, ALERT).status_code == 400


@pytest.mark.process
def test_over_real_http_at_once_and_by_its_own_canary(
    committed_database, make_tenant, tmp_path, settings
) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    tenant, processes, port = make_tenant("door"), Processes(tmp_path), free_port()
    where, base = source(tenant), f"http://127.0.0.1:{port}"
    settings.PUBLIC_URL = base
    body = json.dumps(ALERT).encode()
    headers = signed(where, body, "msg_once")
    try:
        processes.web(port)
        wait_until(lambda: _answers(base), 60, lambda: processes.log("web"))
        told: list[dict] = []

        def post() -> None:
            told.append(httpx.post(base + path_of(where), content=body, headers=headers).json())

        threads = [threading.Thread(target=post) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(one["repeated"] for one in told) == [False, *[True] * 7]
        assert counts(tenant) == (1, 0, 1)
        assert checking.once(tenant.id, where.id).endswith(".")
        assert key_of(where) not in processes.log("web")
    finally:
        processes.close()
        databases.close_all()


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/healthz").status_code < 500
    except httpx.HTTPError:
        return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_the_canary_of_a_source_whose_key_does_not_count_says_so(tenant, settings) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    where = source(tenant)
    with Door(signing.new_key()) as elsewhere:
        settings.PUBLIC_URL = elsewhere.url.partition("/api/")[0]
        with pytest.raises(Unauthorised):
            checking.once(tenant.id, where.id)
    with scope.tenant(tenant.id):
        where.refresh_from_db()
        assert where.state == Connection.State.BROKEN
    settings.PUBLIC_URL = ""
    other = source(tenant, name="nowhere")
    with pytest.raises(ConnectionMisconfigured, match="HOLDFAST_PUBLIC_URL"):
        checking.once(tenant.id, other.id)
