"""What placeholders stand for is written out before any other modifier."""

import base64
import tracemalloc

import pytest
import yaml

from integrations.detection import loading, placeholders
from integrations.detection.engine import Engine
from integrations.detection.errors import RulesUnreadable, Unsupported
from tests.integrations.detection.rulebook import AUDIT, rule

VALUES = {"admins": ("ann", "bob-*"), "nets": ("10.0.0.0/8", "192.0.2.0/24"), "one": ("x%one%",)}


def _pack(selection):
    told = rule({"s": selection, "condition": "s"})
    return loading.loaded([("t.yml", yaml.safe_dump(told).encode())], VALUES)


@pytest.mark.parametrize(
    ("selection", "value", "expected"),
    [
        ({"f|expand": "%admins%"}, "ANN", True),
        ({"f|expand": "%admins%"}, "bob-7", True),
        ({"f|expand": "%admins%"}, "%admins%", False),
        ({"f|expand": ["eve", "%admins%"]}, "eve", True),
        ({"f|contains|expand": "is %admins% "}, "it is ann now", True),
        ({"f|expand|contains": "is %admins% "}, "it is ann", False),
        ({"f|expand": "%admins%@%admins%"}, "ann@bob-1", True),
        ({"f|cidr|expand": "%nets%"}, "192.0.2.7", True),
        ({"f|cidr|expand": "%nets%"}, "192.0.3.7", False),
        ({"f|re|expand": "^%admins%$"}, "bob---", True),
        ({"f|expand|base64": "%one%"}, base64.b64encode(b"x%one%").decode(), True),
        ({"f|expand": "%one%"}, "x%one%", True),
        ({"f": "%admins%"}, "%admins%", True),
        ({"f": "100%"}, "100%", True),
        ([{"f|expand": "%admins%"}, {"f": "y"}], "y", True),
    ],
)
def test_a_value_that_was_given_counts_like_one_that_was_written(selection, value, expected):
    pack = _pack(selection)
    assert pack.not_run == ()
    assert bool(Engine(pack).detect({**AUDIT, "f": value})) is expected


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        ({"f|expand": ["%admins%", "%who%"]}, "who: [one, two]"),
        ({"f|contains|all|expand": ["%admins%", "x"]}, "several values"),
        ({"f|expand": "%admins%", "f": "x"}, "two searches"),
        ({"f|expand": "%admins%" * 13}, "more than 5000"),
    ],
)
def test_what_can_not_be_written_out_is_listed(selection, reason) -> None:
    (told,) = _pack(selection).not_run
    assert (told.kind, reason in told.reason) == ("unsupported", True)


def test_no_more_is_written_out_than_a_rule_may_have() -> None:
    """A rule of 160 kB must not become a hundred million texts before it is refused."""
    told = {"s": {"f|expand": ["%many%"] * 20_000}}
    tracemalloc.start()
    with pytest.raises(Unsupported, match="more than 20000 values"):
        placeholders.written_out(told, {"many": tuple(map(str, range(5_000)))})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20 * 2**20


@pytest.mark.parametrize(
    "text", ["", "[a]", "a: {b: c}", "a: []", "a: [[b]]", "a b: c", "a: null", "\x00", "a: b\na: c"]
)
def test_a_file_that_says_something_else_is_refused(tmp_path, text) -> None:
    file = tmp_path / "values.yml"
    file.write_text(text)
    with pytest.raises(RulesUnreadable):
        placeholders.of(file)


def test_a_file_gives_texts_and_numbers(tmp_path) -> None:
    file = tmp_path / "values.yml"
    file.write_text("'%admins%': [ann, 7]\ncountry: NL\n")
    assert placeholders.of(file) == {"admins": ("ann", "7"), "country": ("NL",)}
