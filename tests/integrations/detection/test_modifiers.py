"""Each modifier does what the Sigma specification says, and the reason names the field."""

import base64

import pytest

from tests.integrations.detection.rulebook import engine, holds, matches, refused_rule, rule


@pytest.mark.parametrize(
    ("item", "value", "expected"),
    [
        ({"f": "powershell"}, "PowerShell", True),
        ({"f": "powershell"}, "powershell.exe", False),
        ({"f": ["a", "b"]}, "B", True),
        ({"f": "a*c"}, "ABBBC", True),
        ({"f": "a*c"}, "abcd", False),
        ({"f": "a?c"}, "abc", True),
        ({"f": "a?c"}, "ac", False),
        ({"f": "a\\*c"}, "a*c", True),
        ({"f": "a\\*c"}, "abc", False),
        ({"f": "a\\?"}, "a?", True),
        ({"f": "c:\\dir\\*"}, "c:\\dir\\", False),
        ({"f": "c:\\dir\\\\*"}, "C:\\Dir\\file", True),
        ({"f": "*"}, "anything", True),
        ({"f": "a*\nb"}, "a\n\nb", True),
        ({"f": ""}, "", True),
        ({"f": ""}, "x", False),
        ({"f|contains": "hell"}, "PowerSHELL", True),
        ({"f|contains": "100%_"}, "100 of", False),
        ({"f|startswith": "pow"}, "Power", True),
        ({"f|startswith": "pow"}, "a power", False),
        ({"f|endswith": "\\cmd.exe"}, "C:\\Windows\\CMD.EXE", True),
        ({"f|endswith": "\\cmd.exe"}, "C:\\cmd.exe.txt", False),
        ({"f|contains|all": ["a", "b"]}, "xbxa", True),
        ({"f|contains|all": ["a", "b"]}, "aaa", False),
        ({"f|contains|cased": "Ab"}, "xAbx", True),
        ({"f|contains|cased": "Ab"}, "xabx", False),
        ({"f|cased": "Ab"}, "ab", False),
        ({"f|re": "^a.c$"}, "abc", True),
        ({"f|re": "^a.c$"}, "ABC", False),
        ({"f|re": "b+"}, "abbbc", True),
        ({"f|re|i": "^a.c$"}, "ABC", True),
        ({"f|re|m": "^b$"}, "a\nb\nc", True),
        ({"f|re": "^b$"}, "a\nb\nc", False),
        ({"f|re|s": "a.b"}, "a\nb", True),
        ({"f|re": "a.b"}, "a\nb", False),
        ({"f|re|i|s": "A.B"}, "a\nb", True),
        ({"f|cidr": "10.0.0.0/8"}, "10.255.1.2", True),
        ({"f|cidr": "10.0.0.0/8"}, "11.0.0.1", False),
        ({"f|cidr": "10.0.0.0/8"}, "10.1.1.1:443", True),
        ({"f|cidr": "10.0.0.0/8"}, "::ffff:10.0.0.1", True),
        ({"f|cidr": "10.0.0.0/8"}, "10.0.0", False),
        ({"f|cidr": "2001:db8::/32"}, "2001:db8:0:1::5", True),
        ({"f|cidr": "2001:db8::/32"}, "[2001:db8::1]:443", True),
        ({"f|cidr": "2001:db8::/32"}, "10.0.0.1", False),
        ({"f|lt": 5}, 4, True),
        ({"f|lt": 5}, 5, False),
        ({"f|lte": 5}, "5", True),
        ({"f|gt": 5}, 5.5, True),
        ({"f|gt": 5}, "many", False),
        ({"f|gte": 5}, "4.9", False),
        ({"f": 4688}, "4688", True),
        ({"f": "4688"}, 4688, True),
        ({"f": 4688}, 46880, False),
        ({"f": True}, True, True),
        ({"f": True}, "True", True),
        ({"f": False}, True, False),
        ({"f": None}, None, True),
        ({"f": None}, "", False),
        ({"f": None}, "x", False),
        ({"f|exists": True}, "x", True),
        ({"f|exists": False}, "x", False),
        ({"f|exists": False}, None, True),
        ({"f|neq": "x"}, "y", True),
        ({"f|neq": "x"}, "X", False),
        ({"f|windash|contains": " -enc"}, "powershell /enc", True),
        ({"f|windash|contains": " -enc"}, "powershell \u2013enc", True),
        ({"f|windash|contains": " -enc"}, "powershell enc", False),
        ({"f": "ΟΔΟΣ"}, "οδοσ", True),
        ({"f|contains": "ΟΔΟΣ"}, "οδοσα", True),
    ],
)
def test_a_modifier_keeps_to_the_specification(item, value, expected) -> None:
    assert holds(item, f=value) is expected


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_base64offset_finds_a_text_wherever_it_stands(before) -> None:
    told = base64.b64encode(f"{before}http://evil.example".encode()).decode()
    assert holds({"f|base64offset|contains": "http://evil"}, f=told)
    assert not holds({"f|base64offset|contains": "http://evil"}, f=base64.b64encode(b"x").decode())


@pytest.mark.parametrize(
    ("modifier", "encoding"),
    [("wide", "utf-16-le"), ("utf16le", "utf-16-le"), ("utf16be", "utf-16-be")],
)
def test_wide_texts_are_found_in_base64(modifier, encoding) -> None:
    told = base64.b64encode("IEX (New".encode(encoding)).decode()
    assert holds({f"f|{modifier}|base64offset|contains": "IEX ("}, f=told)
    assert holds({f"f|{modifier}|base64": "IEX (New"}, f=told)


def test_base64_compares_the_whole_text() -> None:
    assert holds({"f|base64": "secret"}, f=base64.b64encode(b"secret").decode())
    assert not holds({"f|base64": "secret"}, f="secret")


def test_a_field_is_compared_with_another() -> None:
    assert holds({"f|fieldref": "g"}, f="A", g="a")
    assert not holds({"f|fieldref": "g"}, f="A", g="b")
    assert not holds({"f|fieldref": "g"}, f="A")
    assert holds({"f|fieldref|startswith": "g"}, f="abc", g="AB")
    assert holds({"f|fieldref|endswith": "g"}, f="abc", g="BC")
    assert holds({"f|fieldref|contains": "g"}, f="abcd", g="BC")


def test_one_of_several_values_of_a_field_is_enough() -> None:
    assert holds({"f": "b"}, f=["a", "b"])
    assert holds({"f|contains|all": ["a", "b"]}, f=["xa", "xb"])
    assert not holds({"f|neq": "a"}, f=["a", "b"])
    assert holds({"f": None}, f=[])


def test_a_field_within_others_is_found() -> None:
    assert holds({"outer.inner": "x"}, outer={"inner": "X"})
    assert holds({"outer.inner": "x"}, outer=[{"inner": "a"}, {"inner": "X"}])
    assert holds({"outer.inner": "x"}, outer='{"inner": "X"}')
    assert holds({"outer.inner": "x"}, OUTER={"Inner": "X"})
    assert holds({"outer.inner": "x"}, **{"outer.inner": "X"})
    assert holds({"outer.colour": "red"}, outer=[{"Name": "Colour", "Value": "red"}])
    assert holds({"outer.colour": "red"}, outer=[{"key": "colour", "multiValue": ["blue", "red"]}])


X, Y, Z = {"f": "x"}, {"g": "y"}, {"h": "z"}


@pytest.mark.parametrize(
    ("detection", "fields", "expected"),
    [
        ({"k": ["mimikatz", "rubeus"], "condition": "k"}, {"f": "run MIMIKATZ now"}, True),
        ({"k": ["mimikatz"], "condition": "k"}, {"f": {"deep": ["a", "mimikatz"]}}, True),
        ({"k": ["mimikatz"], "condition": "k"}, {"f": "cat"}, False),
        ({"k": {"|all": ["aa", "bb"]}, "condition": "k"}, {"f": "aa", "g": "bb"}, True),
        ({"k": {"|all": ["aa", "bb"]}, "condition": "k"}, {"f": "aa"}, False),
        ({"k": {"|re": "a{3}b"}, "condition": "k"}, {"f": "xaaabx"}, True),
        ({"k": [4711], "condition": "k"}, {"f": "id 47110"}, True),
        ({"a1": X, "a2": Y, "condition": "1 of a*"}, Y, True),
        ({"a1": X, "a2": Y, "condition": "all of a*"}, Y, False),
        ({"a1": X, "a2": Y, "condition": "all of them"}, X | Y, True),
        ({"a1": X, "a2": Y, "condition": "1 of them"}, {}, False),
        ({"a": X, "b": Y, "condition": "a and not b"}, X, True),
        ({"a": X, "b": Y, "condition": "a and not b"}, X | Y, False),
        ({"a": X, "b": Y, "condition": "not a or b"}, X | Y, True),
        ({"a": X, "b": Y, "c": Z, "condition": "a or b and c"}, X, True),
        ({"a": X, "b": Y, "c": Z, "condition": "(a or b) and c"}, X, False),
        ({"a": [X | Y, Z], "condition": "a"}, Z, True),
        ({"a": [X | Y, Z], "condition": "a"}, X, False),
        ({"a": X, "b": Y, "condition": ["a", "b"]}, Y, True),
    ],
)
def test_conditions_keep_to_the_specification(detection, fields, expected) -> None:
    assert bool(matches(detection, **fields)) is expected


@pytest.mark.parametrize(
    ("item", "fits"),
    [
        ({"f|hour": 22}, True), ({"f|hour": 23}, False), ({"f|minute": 5}, True),
        ({"f|day": 3}, True), ({"f|week": 27}, True), ({"f|month": 7}, True),
        ({"f|year": 2026}, True), ({"f|hour": [21, 22]}, True),
    ],
)  # fmt: skip
def test_a_part_of_a_time_is_looked_at_in_utc(item, fits) -> None:
    assert holds(item, f="2026-07-04T00:05:59.1234567+02:00") is fits
    assert not holds(item, f="yesterday")
    assert not holds(item, f="")


@pytest.mark.parametrize("pattern", ["a(?=b)", "(a)\\1", "(?<!x)y"])
def test_a_pattern_without_linear_time_is_unsupported_and_named(pattern) -> None:
    told = refused_rule({"s": {"f|re": pattern}, "condition": "s"})
    assert told.kind == "unsupported"
    assert pattern in told.reason


def test_reasons_name_field_value_and_condition() -> None:
    found = matches(
        {
            "s": {"f|contains": ["x", "secret"], "g|gte": 3},
            "n": {"h": "good"},
            "condition": "s and not n",
        },
        f="my SECRET",
        g=7,
    )
    assert [(w.field, w.value, w.condition) for w in found[0].why] == [
        ("f", "my SECRET", "contains 'secret'"),
        ("g", "7", "is at least 3"),
    ]


def test_what_is_only_absent_is_a_reason_too() -> None:
    found = matches({"s": {"f": "good"}, "condition": "not s"}, f="bad")
    assert [(w.field, w.value, w.condition) for w in found[0].why] == [
        ("f", "bad", "not: is 'good'")
    ]
    found = matches({"s": {"f": None}, "condition": "s"})
    assert [(w.field, w.value) for w in found[0].why] == [("f", None)]


def test_rules_are_told_in_their_order_however_they_are_found() -> None:
    rules = [
        rule({"s": {"f|re": "x"}, "condition": "s"}, title="by pattern"),
        rule({"s": {"f|contains": "xyz"}, "condition": "s"}, title="by literal"),
        rule({"s": {"f": "xyz"}, "condition": "s"}, title="by value"),
        rule({"s": {"g": "xyz"}, "condition": "s"}, title="by another field"),
    ]
    found = engine(*rules).detect({"Operation": "o", "Workload": "w", "f": ["XYZ", "xyz"]})
    assert [one.rule.title for one in found] == ["by pattern", "by literal", "by value"]
