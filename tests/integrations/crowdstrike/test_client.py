"""What is particular to Falcon's API: envelopes, other clouds, and listings without end."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from integrations.connectors.crowdstrike import feeds
from integrations.connectors.crowdstrike.client import connect
from integrations.connectors.crowdstrike.manifest import MANIFEST
from integrations.errors import (
    ConnectionMisconfigured,
    NotFound,
    OutcomeUnknown,
    PermissionMissing,
    Rejected,
    Unauthorised,
    Unavailable,
)
from tests.integrations.conformance.driving import key_of, sweep
from tests.integrations.conformance.subject import QUICK

STREAM = "^/sensors/entities/datafeed/v1/"


class _Handler(BaseHTTPRequestHandler):
    """Gives a token, and to all else what `answers` holds by path: status, body, headers."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        path = self.path.split("?")[0]
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        if path == "/oauth2/token":
            told = (201, {"access_token": "t0ken", "expires_in": 1799}, {})
        else:
            told = self.server.answers[path]  # type: ignore[attr-defined]
        status, body, headers = told
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A Falcon that answers as a test tells it."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    found.answers, found.seen = {}, []  # type: ignore[attr-defined]
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture
def falcon(server) -> Iterator:
    """A client of it."""
    base = f"http://127.0.0.1:{server.server_address[1]}"
    made = connect(
        {"client_id": "c", "endpoint": base}, {"client_secret": "s"},
        allow_private=True, limits=QUICK,
    )  # fmt: skip
    yield made
    made.close()


def told(code: int, resources: list | None = None) -> dict:
    return {"meta": {}, "errors": [{"code": code, "message": "no"}], "resources": resources or []}


@pytest.mark.parametrize(
    ("code", "error"),
    [(401, Unauthorised), (403, PermissionMissing), (404, NotFound), (400, Rejected),
     (503, Unavailable), (7, Rejected)],
)  # fmt: skip
def test_an_error_inside_an_answer_of_200_counts(server, falcon, code, error) -> None:
    server.answers["/x"] = (200, told(code), {})
    with pytest.raises(error):
        falcon.get("/x", "Hosts: Read")


def test_what_is_there_is_taken_although_something_is_gone(server, falcon) -> None:
    server.answers["/x"] = (200, told(404, [{"device_id": "a"}]), {})
    assert falcon.entities("/x", "Hosts: Read", ["a", "b"]) == [{"device_id": "a"}]
    server.answers["/x"] = (200, told(404), {})
    assert falcon.entities("/x", "Hosts: Read", ["b"]) == []


def test_a_write_that_failed_inside_an_answer_may_have_been_done(server, falcon) -> None:
    server.answers["/x"] = (202, told(500), {})
    with pytest.raises(OutcomeUnknown):
        falcon.write("POST", "/x", "Hosts: Write", {})


def test_an_organisation_in_another_cloud_is_told_where(server, falcon) -> None:
    there = {"Location": "https://api.us-2.crowdstrike.com/x?filter=secret"}
    server.answers["/x"] = (308, b"", there)
    with pytest.raises(Rejected, match=r"endpoint to https://api\.us-2\.crowdstrike\.com\.") as e:
        falcon.get("/x", "Hosts: Read")
    assert "secret" not in str(e.value)
    server.answers["/x"] = (308, b"", {"Location": "https://evil.example/"})
    with pytest.raises(Rejected, match="not followed"):
        falcon.get("/x", "Hosts: Read")


def stream(url: str) -> dict:
    return {
        "meta": {}, "errors": [],
        "resources": [{"dataFeedURL": url, "sessionToken": {"token": "stream-token"}}],
    }  # fmt: skip


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/sensors/entities/datafeed/v1/0", "http://firehose.crowdstrike.com/0",
     "https://firehose.crowdstrike.com.evil.example/0", "https://169.254.169.254/0"],
)  # fmt: skip
def test_the_streams_token_goes_to_crowdstrike_only(server, falcon, url) -> None:
    server.answers["/sensors/entities/datafeed/v2"] = (200, stream(url), {})
    with pytest.raises(Rejected, match="another host"):
        falcon.streams("Event streams: Read")
    there = "https://firehose.us-2.crowdstrike.com/sensors/entities/datafeed/v1/0?appId=a"
    server.answers["/sensors/entities/datafeed/v2"] = (200, stream(there), {})
    (found,) = falcon.streams("Event streams: Read")
    assert (found.partition, found.url) == ("0", there)
    assert "stream-token" not in repr(found)


def test_a_line_of_the_stream_that_is_no_json_is_kept(server, falcon) -> None:
    base = falcon.session.base_url
    server.answers["/sensors/entities/datafeed/v2"] = (200, stream(f"{base}/s/0?appId=a"), {})
    server.answers["/s/0"] = (200, b'{"metadata":{"offset":7}}\nnonsense\n[1]\n', {})
    (page,) = feeds.event_stream(falcon, {})
    assert [dict(record.body) for record in page.records] == [
        {"metadata": {"offset": 7}}, {"_unparsed": "nonsense"}, {"_value": [1]},
    ]  # fmt: skip
    assert page.cursor == {"offsets": {"0": 7}}
    list(feeds.event_stream(falcon, page.cursor))
    assert server.seen[-1].endswith("offset=7")


def test_a_stream_that_is_cut_off_goes_on_from_its_last_whole_event(vendor, client) -> None:
    whole = {key_of(one) for one in sweep(MANIFEST, client, "event_stream")[0]}
    vendor.fault("broken_json", path=STREAM, times=1)
    first, cursor = sweep(MANIFEST, client, "event_stream")
    rest, _ = sweep(MANIFEST, client, "event_stream", cursor)
    found = {key_of(one) for one in first}
    assert found < whole
    assert found | {key_of(one) for one in rest} == whole


def test_a_stream_that_refuses_a_new_token_too_is_given_up(vendor, client) -> None:
    vendor.fault("refuse", path=STREAM, status=401)
    with pytest.raises(Unauthorised):
        sweep(MANIFEST, client, "event_stream")
    assert len(vendor.requests(path=STREAM)) == 2


class Alerts:
    """A listing of alerts that Falcon pages through only in part, as a client sees it."""

    def __init__(self, times: list[str]) -> None:
        self.times = times
        self.asked: list[tuple[str, int]] = []

    def get(self, path, permission, **query):
        since = (query["filter"] or "'").split("'")[1]
        found = [n for n, time in enumerate(self.times) if time >= since]
        offset, limit = query["offset"], query["limit"]
        assert offset + limit <= 10_000, "Falcon refuses to page so far"
        self.asked.append((since, offset))
        page = found[offset : offset + limit]
        return type("Page", (), {"items": tuple(map(str, page)), "total": len(found)})()

    def entities(self, path, permission, ids, name):
        return [{"composite_id": n, "updated_timestamp": self.times[int(n)]} for n in ids]

    def check_customer(self, found):
        assert found


def test_more_alerts_than_falcon_pages_through_are_read_all_the_same() -> None:
    times = [f"2026-01-02T03:04:05.{n:09d}Z" for n in range(10_250)]
    listing = Alerts(times)
    pages = list(feeds.alerts(listing, {"since": "2026-01-01T00:00:00+00:00"}))
    seen = {record.body["composite_id"] for page in pages for record in page.records}
    assert len(seen) == 10_250
    assert pages[-1].is_last
    assert listing.asked[-1][0] > listing.asked[0][0]


def test_settings_that_can_not_work_are_named() -> None:
    with pytest.raises(ConnectionMisconfigured, match="client_secret"):
        connect({"client_id": "c"}, {})
    with pytest.raises(ConnectionMisconfigured, match="app_id"):
        connect({"client_id": "c", "app_id": "not ok"}, {"client_secret": "s"})
