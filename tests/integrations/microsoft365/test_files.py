"""Files that somebody took or shared, beside what is usual."""

import datetime as dt


def test_many_downloads_are_unusual(vendor, ask) -> None:
    nothing = {"downloads": 0, "shared_outside": 0, "baseline_downloads": 0, "is_unusual": False}
    assert ask("files.list_activity") == nothing
    vendor.act("take_files", user="priya.shah", count=40)
    vendor.act("take_files", user="priya.shah", count=3, action="AnonymousLinkCreated")
    vendor.act("take_files", user="anna.berg", count=9)
    assert ask("files.list_activity", hours=48) == {
        "downloads": 40, "shared_outside": 3, "baseline_downloads": 0, "is_unusual": True,
    }  # fmt: skip


def test_as_many_as_ever_are_not(vendor, ask) -> None:
    before = (dt.datetime.now(dt.UTC) - dt.timedelta(days=10)).isoformat()
    vendor.act("take_files", user="priya.shah", count=280, at=before)
    vendor.act("take_files", user="priya.shah", count=40)
    assert ask("files.list_activity", hours=48) == {
        "downloads": 40, "shared_outside": 0, "baseline_downloads": 20, "is_unusual": False,
    }  # fmt: skip


def test_a_burst_is_one_however_many_ordinary_days_are_around_it(vendor, ask) -> None:
    """A case that began days ago is asked of the time since then."""
    now = dt.datetime.now(dt.UTC)
    for day in range(1, 29):
        vendor.act("take_files", user="priya.shah", count=40, at=_ago(now, days=day, hours=1))
    vendor.act("take_files", user="priya.shah", count=1_200, at=_ago(now, hours=3))
    since = _ago(now, days=9)
    told = ask("files.list_activity", hours=48, since=since)
    assert (told["downloads"], told["is_unusual"]) == (1_280, True)
    assert told["baseline_downloads"] in range(70, 81)


def test_a_burst_of_the_beginning_is_seen_when_it_is_asked_late(vendor, ask) -> None:
    now = dt.datetime.now(dt.UTC)
    vendor.act("take_files", user="priya.shah", count=40, at=_ago(now, days=6))
    assert not ask("files.list_activity", hours=48)["is_unusual"]
    told = ask("files.list_activity", hours=48, since=_ago(now, days=8))
    assert (told["downloads"], told["is_unusual"]) == (40, True)


def _ago(now: dt.datetime, **back: int) -> str:
    return (now - dt.timedelta(**back)).isoformat()
