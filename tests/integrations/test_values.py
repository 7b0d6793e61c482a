"""Times, addresses and words as Microsoft writes them."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.values import (
    Fields,
    address,
    content_uid,
    country,
    instant,
    risk_severity,
    severity,
    techniques,
)
from tenants.errors import Quarantine


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("2026-04-01T14:31:48Z", utc(2026, 4, 1, 14, 31, 48)),
        ("2021-04-27T12:19:27.7211305Z", utc(2021, 4, 27, 12, 19, 27, 721130)),
        ("2026-02-18T07:32:50.552947800Z", utc(2026, 2, 18, 7, 32, 50, 552947)),
        ("2024-09-23 14:33:09.049661100", utc(2024, 9, 23, 14, 33, 9, 49661)),
        ("2025-01-15 08:15:23.456", utc(2025, 1, 15, 8, 15, 23, 456000)),
        ("2022-12-12 22:19:00", utc(2022, 12, 12, 22, 19)),
        ("2024-11-27T03:31:26.7088498+00:00", utc(2024, 11, 27, 3, 31, 26, 708849)),
        ("2024-11-27T03:31:26+05:30", utc(2024, 11, 26, 22, 1, 26)),
        ("2024-11-27T03:31:26-0800", utc(2024, 11, 27, 11, 31, 26)),
        ("2024-01-15 10:30:45 +0000", utc(2024, 1, 15, 10, 30, 45)),
        ("2024-01-15", utc(2024, 1, 15)),
        ("12/1/2023 4:03:32 PM", utc(2023, 12, 1, 16, 3, 32)),
        (1621952909, utc(2021, 5, 25, 14, 28, 29)),
        (1621952909000, utc(2021, 5, 25, 14, 28, 29)),
        ("1621952909000", utc(2021, 5, 25, 14, 28, 29)),
        (1621952909000000000, utc(2021, 5, 25, 14, 28, 29)),
        ("/Date(1621952909000)/", utc(2021, 5, 25, 14, 28, 29)),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59.9999999Z", None),
        ("1601-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
        (0, None),
    ],
)  # fmt: skip
def test_times(told, expected) -> None:
    assert instant(told) == expected


@pytest.mark.parametrize(
    ("told", "hour"),
    [("2026-07-01T12:00:00", 16), ("7/1/2026 12:00:00 PM", 16), ("2026-01-01 12:00", 17),
     ("2026-07-01T12:00:00Z", 12), ("2026-07-01T12:00:00+02:00", 10), (1782907200, 12)],
)  # fmt: skip
def test_a_time_without_a_zone_is_of_its_sources_zone(told, hour) -> None:
    found = instant(told, ZoneInfo("America/New_York"))
    assert found is not None
    assert (found.hour, found.tzinfo) == (hour, dt.UTC)


@pytest.mark.parametrize(
    "told",
    ["yesterday", "String (timestamp)", "2026-13-01T00:00:00Z", "2026-02-30", "0500-01-01",
     "2026-01-01T25:00:00Z", "2026-01-01T00:00:00+99:00", True, [], {}, float("nan"), 1e40,
     -1, "12345678901234567890123"],
)  # fmt: skip
def test_nonsense_is_no_time(told) -> None:
    with pytest.raises(ValueError):
        instant(told)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()))
def test_whatever_a_time_field_holds_is_a_time_none_or_a_value_error(told) -> None:
    try:
        found = instant(told)
    except ValueError:
        return
    assert found is None or found.tzinfo is dt.UTC


def test_a_clock_that_is_wrong_is_named() -> None:
    with pytest.raises(Quarantine, match="its year is not from 1990 to 2100: look at the sender"):
        Fields({"a": "1970-01-02T00:00:00Z"}).essential_time("a")


def test_an_essential_time_takes_the_first_that_is_told() -> None:
    fields = Fields({"A": "0001-01-01T00:00:00Z", "b": "2026-01-01T00:00:00Z"})
    assert fields.essential_time("a", "B") == utc(2026, 1, 1)
    with pytest.raises(Quarantine) as caught:
        Fields({"a": "soon", "b": "2026-01-01T00:00:00Z"}).essential_time("a", "b")
    assert caught.value.code == "bad_time"
    with pytest.raises(Quarantine) as caught:
        Fields({"x": 1}).essential_time("a", "b")
    assert caught.value.code == "missing_time"
    assert Fields({"a": "soon"}).time("a") is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [("1.2.3.4", "1.2.3.4"), ("1.2.3.4:10736", "1.2.3.4"), ("[2001:db8::1]:443", "2001:db8::1"),
     ("2001:DB8::1", "2001:db8::1"), ("fe80::1%eth0", "fe80::1"), ("123.456.7.89", "123.456.7.89"),
     ("not an address", ""), ("", "")],
)  # fmt: skip
def test_addresses(told, expected) -> None:
    assert address(told) == expected


def test_words_are_read_without_case_and_unknown_ones_are_other() -> None:
    words = ("Informational", "LOW", "Medium", "high", "unknown", "", "catastrophic")
    assert [severity(w) for w in words] == [1, 2, 3, 4, 0, 0, 99]
    assert [risk_severity(w) for w in ("none", "hidden", "Low", "MEDIUM", "high")] == [
        1, 1, 2, 3, 4,
    ]  # fmt: skip
    assert risk_severity("none", "high") == 4
    assert risk_severity("brand-new") == 99
    assert risk_severity("brand-new", "low") == 2
    assert country("us") == "US"
    assert country("United States") == ""
    assert techniques(["Rundll32 (T1218.011)", "T1078", "T1078"]) == ("T1218.011", "T1078")


def test_fields_open_json_inside_texts_and_ignore_wrong_types() -> None:
    fields = Fields({"A": '{"b": [1]}', "List": '[{"x": 1}]', "n": "12", "t": ["no"], "f": "TRUE"})
    assert fields.nested("a").listed("B") == [1]
    assert fields.objects("list")[0].number("X") == 1
    assert fields.number("N") == 12
    assert fields.text("t") == ""
    assert fields.truth("F") is True
    assert fields.nested("n").body == {}


def test_a_hash_stands_for_a_missing_id() -> None:
    assert content_uid({"a": 1, "b": 2}) == content_uid({"b": 2, "a": 1})
    assert content_uid({"a": 1}) != content_uid({"a": 2})
