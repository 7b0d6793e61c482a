"""Canonical JSON is that of RFC 8785: numbers, texts and the order of keys, byte for byte."""

import datetime as dt
import hashlib
import json
import math
import random
import struct
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from tenants.canonical import canonical_json, jsonable, sha256_of

# RFC 8785, appendix B: the bits of a number, and how it is written.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize("bits", NUMBERS)
def test_numbers_are_written_as_the_standard_writes_them(bits: str) -> None:
    """But those that a JSON number can't hold exactly: they are texts, whatever type they had."""
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    told = NUMBERS[bits]
    if abs(number) > 2**53 - 1:
        assert canonical_json(number) == canonical_json(int(Decimal(told)))
        told = f'"{int(Decimal(told))}"'
    assert canonical_json(number) == told.encode()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_in_json_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not representable"):
        canonical_json({"a": [number]})


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (2**53 - 1, b"9007199254740991"),
        (-(2**53) + 1, b"-9007199254740991"),
        (2**53, b'"9007199254740992"'),
        (-(2**53), b'"-9007199254740992"'),
        (10**40, b'"1' + b"0" * 40 + b'"'),
        (True, b"true"),
        (0, b"0"),
    ],
)
def test_a_whole_number_too_large_for_json_is_a_text_and_keeps_every_digit(number, written) -> None:
    assert canonical_json(number) == written


def test_keys_are_ordered_by_their_utf_16_code_units() -> None:
    """RFC 8785, section 3.2.3: an emoji comes before U+FB33, which is less as a code point."""
    told = {
        "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One", "\U0001f600": "Emoji: Grinning Face", "\x80": "Control",
        "\xf6": "Latin Small Letter O With Diaeresis",
    }  # fmt: skip
    assert list(json.loads(canonical_json(told))) == [
        "\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33",
    ]  # fmt: skip


def test_the_standards_own_example_comes_out_byte_for_byte() -> None:
    """RFC 8785, section 3.2.2 and 3.2.4; but for 1e30, which is a text here."""
    told = {
        "numbers": [333333333.33333329, 1e15, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical_json(told) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1000000000000000,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\x00\x1f\x7f\x80\u2028", b'"\\u0000\\u001f\x7f\xc2\x80\xe2\x80\xa8"'),
        ("\b\t\n\f\r", b'"\\b\\t\\n\\f\\r"'),
        ("</script>", b'"</script>"'),
        ("e\u0301", b'"e\xcc\x81"'),
        ("\xe9", b'"\xc3\xa9"'),
        ("\U0001f98a", b'"\xf0\x9f\xa6\x8a"'),
    ],
)
def test_texts_are_escaped_no_more_than_they_must_be_and_never_changed(text, written) -> None:
    assert canonical_json(text) == written


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}])
def test_half_a_character_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"UTF-8|surrogates"):
        canonical_json(value)


@pytest.mark.parametrize("value", [b"x", object(), 1j, {1: "a", "1": "b"}, {None: 1, "None": 2}])
def test_what_has_no_one_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


def test_what_json_has_no_type_for_has_one_form() -> None:
    berlin = dt.timezone(dt.timedelta(hours=1))
    moment = dt.datetime(2026, 3, 29, 3, 0, tzinfo=berlin)
    assert jsonable(moment) == jsonable(moment.astimezone(dt.UTC)) == "2026-03-29T02:00:00.000000Z"
    assert jsonable([dt.date(2026, 1, 2), uuid.UUID(int=1), Decimal("1.10")]) == [
        "2026-01-02", "00000000-0000-0000-0000-000000000001", "1.10",
    ]  # fmt: skip
    assert jsonable({"b", "a"}) == jsonable(frozenset(["a", "b"])) == ["a", "b"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = chance.sample(list(value), len(value))
        return {key: _shuffled(value[key], chance) for key in keys}
    return [_shuffled(item, chance) for item in value] if isinstance(value, list) else value


@given(value=JSON, seed=st.integers(0, 1000))
def test_any_json_comes_back_the_same_and_no_order_of_keys_counts(value: Any, seed: int) -> None:
    written = canonical_json(value)
    assert canonical_json(json.loads(written)) == written
    assert canonical_json(_shuffled(value, random.Random(seed))) == written
    assert sha256_of(value) == hashlib.sha256(written).hexdigest()
    names = list(json.loads(written)) if isinstance(value, dict) else []
    assert names == sorted(names, key=lambda name: name.encode("utf-16-be"))


@given(one=JSON, other=JSON)
def test_different_content_has_different_bytes(one: Any, other: Any) -> None:
    is_same = json.dumps(_plain(one), sort_keys=True) == json.dumps(_plain(other), sort_keys=True)
    assert (canonical_json(one) == canonical_json(other)) == is_same


def _plain(value: Any) -> Any:
    """Write numbers as one type: 1 and 1.0 are one number in JSON."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and abs(value) > 2**53 - 1:
        return str(int(Decimal(repr(value))))
    return float(value) + 0.0 if is_number else value


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value", [2.0**53, 1e23, -1e300, 1.7976931348623157e308, 2**60, 5e-324, 0.1, -0.0, 75.0, 1e-7]
)
def test_what_the_database_gives_back_has_the_same_hash(value: float) -> None:
    """It keeps a float beyond 2^53 as a whole number: an approved plan must stay the same."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb", [json.dumps({"a": jsonable(value)})])
        [told] = cursor.fetchone()
        cursor.execute("SELECT %s::jsonb", [json.dumps({"a": value})])
        [raw] = cursor.fetchone()
    kept = [json.loads(one) if isinstance(one, str) else one for one in (told, raw)]
    assert {sha256_of(one) for one in kept} == {sha256_of({"a": value})}
