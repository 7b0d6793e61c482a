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
