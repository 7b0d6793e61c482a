"""The unified audit log and message trace, read live: nothing is lost, also what comes late."""

import datetime as dt
import json

import pytest

from integrations.connectors.microsoft365 import activity_feed, trace_feed
from integrations.connectors.microsoft365.manifest import MANIFEST
from integrations.errors import NotFound, Rejected
from integrations.values import Fields
from tenants.errors import Quarantine
from tests.integrations.conformance.driving import sweep


def entry(number: int, happened: dt.datetime, available: dt.datetime | None = None, **more) -> dict:
    """An entry of the unified audit log, to be had from a time on."""
    told = {
        "id": f"entry-{number}", "Id": f"entry-{number}", "CreationTime": happened.isoformat(),
        "Operation": "FileDownloaded", "UserId": "anna.berg@contoso-clinic.example",
        "Workload": "OneDrive", "RecordType": 6, **more,
    }  # fmt: skip
    return told | ({"_available": available.isoformat()} if available else {})


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def test_each_kind_is_subscribed_to_once_and_then_read(vendor, client) -> None:
    first, cursor = sweep(MANIFEST, client, "unified_audit")
    assert {event.activity for event in first} == {"FileAccessed"}
    again, _ = sweep(MANIFEST, client, "unified_audit", cursor)
    assert {event.uid for event in again} <= {event.uid for event in first}
    begun = [line for line in vendor.control.log() if line["path"].endswith("/start")]
    assert [line["query"]["contentType"] for line in begun] == list(activity_feed.CONTENT_TYPES)


def test_what_happened_days_ago_and_is_written_now_is_read(vendor, client) -> None:
    first, cursor = sweep(MANIFEST, client, "unified_audit")
    vendor.put("unifiedAudit", entry(1, now() - dt.timedelta(days=3), now()))
    # That it is also to be had late in a kind that had nothing is no matter.
    vendor.put("unifiedAudit", entry(2, now() - dt.timedelta(days=9), now(), Workload="Teams"))
    again, _ = sweep(MANIFEST, client, "unified_audit", cursor)
    assert {e.uid for e in again} - {e.uid for e in first} == {"entry-1", "entry-2"}


def test_a_week_is_read_in_windows_of_a_day(vendor, client) -> None:
    for day in range(6):
        vendor.put("unifiedAudit", entry(day, now() - dt.timedelta(days=day, hours=1)))
    found, _ = sweep(MANIFEST, client, "unified_audit")
    assert {f"entry-{day}" for day in range(6)} <= {event.uid for event in found}


def test_a_reader_that_stops_after_every_page_misses_no_content(
    vendor, client, monkeypatch
) -> None:
    monkeypatch.setattr(activity_feed, "_CONTENTS_A_PAGE", 2)
    for number in range(14):
        vendor.put("unifiedAudit", entry(number, now() - dt.timedelta(minutes=20 + number)))
    feed, cursor, found, turns = MANIFEST.feed("unified_audit"), {}, set(), 0
    is_last = False
    while not is_last:
        page = next(feed.fetch(client, cursor))
        cursor, is_last = json.loads(json.dumps(page.cursor)), page.is_last
        found |= {feed.normalise(record).uid for record in page.records}
        turns += 1
    assert {f"entry-{number}" for number in range(14)} <= found
    assert turns > 8


def test_a_page_ends_where_it_has_enough_records(vendor, client, monkeypatch) -> None:
    monkeypatch.setattr(activity_feed, "_RECORDS_A_PAGE", 3)
    for number in range(20):
        vendor.put("unifiedAudit", entry(number, now() - dt.timedelta(minutes=20 + number // 2)))
    pages = list(MANIFEST.feed("unified_audit").fetch(client, {}))
    # Contents of two: the second takes the page over its measure.
    assert max(len(page.records) for page in pages) == 4
    found = {record.body["Id"] for page in pages for record in page.records}
    assert {f"entry-{number}" for number in range(20)} <= found


def _lost(monkeypatch, client) -> None:
    """Let the contents that are listed be there no more."""
    get = client.activity.get

    def missing(uri: str, permission: str):
        if "/audit/" in uri:
            raise NotFound("AF20051")
        return get(uri, permission)

    monkeypatch.setattr(client.activity, "get", missing)


def test_a_content_that_is_listed_but_not_there_is_quarantined(vendor, client, monkeypatch) -> None:
    vendor.put("unifiedAudit", entry(1, now() - dt.timedelta(hours=2)))
    _lost(monkeypatch, client)
    feed = MANIFEST.feed("unified_audit")
    records = [record for page in feed.fetch(client, {}) for record in page.records]
    assert records
    for record in records:
        assert record.body["contentId"]
        with pytest.raises(Quarantine, match="Purview portal") as caught:
            feed.normalise(record)
        assert caught.value.code == "content_missing"


def test_a_content_past_its_time_is_let_go(vendor, client, monkeypatch) -> None:
    vendor.put("unifiedAudit", entry(1, now() - dt.timedelta(hours=2)))
    _lost(monkeypatch, client)
    list_contents = activity_feed._contents

    def expired(*asked):
        listed, following = list_contents(*asked)
        past = (now() - dt.timedelta(minutes=1)).isoformat()
        return [Fields({**one.body, "contentExpiration": past}) for one in listed], following

    monkeypatch.setattr(activity_feed, "_contents", expired)
    feed = MANIFEST.feed("unified_audit")
    pages = feed.fetch(client, {})
    assert [r for page in pages for r in page.records if "contentId" in r.body] == []


def test_a_link_that_has_expired_begins_its_window_anew(vendor, client) -> None:
    whole, _ = sweep(MANIFEST, client, "unified_audit")
    start, end = now() - dt.timedelta(hours=23), now()
    link = client.activity.url("/subscriptions/content", {"contentType": "Audit.Gone"})
    place = {"start": start.isoformat(), "end": end.isoformat(), "link": link}
    cursor = {"now": "Audit.SharePoint", "of": {"Audit.SharePoint": place}}
    again, _ = sweep(MANIFEST, client, "unified_audit", cursor)
    assert {event.uid for event in again} == {event.uid for event in whole}


def test_auditing_that_is_off_is_told(vendor, client) -> None:
    vendor.control.fault("refuse", path="/subscriptions/start", status=409)
    with pytest.raises(Rejected):
        sweep(MANIFEST, client, "unified_audit")


def test_more_messages_than_exchange_gives_at_once_are_all_read(
    vendor, client, monkeypatch
) -> None:
    whole = {event.uid for event in sweep(MANIFEST, client, "message_trace")[0]}
    # Several messages of one second, to several recipients.
    vendor.act("send_mail", user="priya.shah", recipients=7)
    monkeypatch.setattr(trace_feed, "_ROWS", 3)
    found, cursor = sweep(MANIFEST, client, "message_trace")
    assert len({event.uid for event in found}) == len(whole) + 7
    assert sweep(MANIFEST, client, "message_trace", cursor)[0]


def test_messages_of_weeks_are_read_in_windows_that_exchange_allows(vendor, client) -> None:
    [sent] = vendor.act("send_mail", user="priya.shah", recipients=1)
    for days in (12, 25):
        received = (now() - dt.timedelta(days=days)).isoformat()
        trace = f"trace-{days}"
        vendor.put(
            "messageTraces", {**sent, "id": trace, "MessageTraceId": trace, "Received": received}
        )
    since = (now() - dt.timedelta(days=30)).isoformat()
    found, _ = sweep(MANIFEST, client, "message_trace", {"since": since})
    traces = {event.uid.partition(":")[0] for event in found}
    assert {"trace-12", "trace-25", sent["MessageTraceId"]} <= traces


def test_a_message_whose_fate_is_told_later_is_read_again(vendor, client) -> None:
    [sent] = vendor.act("send_mail", user="priya.shah", recipients=1)
    _, cursor = sweep(MANIFEST, client, "message_trace")
    vendor.put("messageTraces", {**sent, "Status": "Failed"})
    again, _ = sweep(MANIFEST, client, "message_trace", cursor)
    told = {event.uid.partition(":")[0]: event.activity for event in again}
    assert told[sent["MessageTraceId"]] == "Trace: Failed"
