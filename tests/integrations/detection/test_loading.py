"""Rules come from files, folders and archives; what can't be run is listed, never dropped."""

import io
import tarfile
import time
import zipfile

import pytest
import yaml

from integrations.detection import loading
from integrations.detection.engine import Engine
from integrations.detection.errors import RulesUnreadable
from integrations.detection.files import LARGEST_BYTES
from tests.integrations.detection.rulebook import AUDIT, engine, refused, refused_rule, rule

SIMPLE = {"s": {"f": "x"}, "condition": "s"}


def _text(**other: object) -> str:
    return yaml.safe_dump(rule(SIMPLE, **other))


def _layout() -> dict[str, str]:
    """A few files as SigmaHQ lays them out."""
    return {
        "rules/cloud/azure/one.yml": _text(title="one"),
        "rules/windows/two.yaml": _text(title="two"),
        "deprecated/old.yml": _text(title="old", status="deprecated"),
        "rules/correlations.yml": "title: many\ncorrelation: {type: event_count}\n",
        "rules/broken.yml": "title: [",
        ".github/workflow.yml": "on: push",
        "README.md": "rules",
    }  # fmt: skip


def _check(pack: loading.Pack) -> None:
    assert {one.title for one in pack.rules} == {"one", "two"}
    assert {one.file.rsplit("/", 1)[1]: one.kind for one in pack.not_run} == {
        "old.yml": "unsupported",
        "correlations.yml": "correlation",
        "broken.yml": "broken",
    }


def test_a_folder_is_read_with_all_below_it(tmp_path) -> None:
    for name, text in _layout().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    _check(loading.load(tmp_path))


def test_a_zip_is_read(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "sigma.zip", "w") as archive:
        for name, text in _layout().items():
            archive.writestr(f"sigma-master/{name}", text)
    _check(loading.load(tmp_path / "sigma.zip"))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_is_read(tmp_path, mode) -> None:
    with tarfile.open(tmp_path / "sigma.tar", mode) as archive:
        for name, text in _layout().items():
            member = tarfile.TarInfo(f"../{name}" if name == "README.md" else name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    _check(loading.load(tmp_path / "sigma.tar"))


def test_a_file_may_hold_several_rules(tmp_path) -> None:
    path = tmp_path / "two.yml"
    path.write_text(f"{_text(title='one')}\n---\n{_text(title='two')}")
    assert [one.title for one in loading.load(path).rules] == ["one", "two"]


def test_author_level_and_technique_are_kept() -> None:
    text = _text(
        author="A. Nother",
        status="test",
        tags=["attack.t1110.003", "attack.credential-access", "cve.2021-1"],
        falsepositives=["None"],
        date="2026-01-02",
    )
    (one,) = loading.loaded([("x.yml", text.encode())]).rules
    assert (one.author, one.level, one.status) == ("A. Nother", "medium", "test")
    assert one.techniques == ("T1110.003",)
    assert one.false_positives == ("None",)


def test_the_same_id_twice_is_listed() -> None:
    text = _text().encode()
    pack = loading.loaded([("a.yml", text), ("b.yml", text)])
    assert len(pack.rules) == 1
    assert (pack.not_run[0].file, "a.yml" in pack.not_run[0].reason) == ("b.yml", True)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"f": [f"value {n}" for n in range(20_001)]}, "more than 20000 values"),
        ({"f|base64offset|contains": [f"v{n}" for n in range(6_700)]}, "more than 20000 values"),
        ({"f|windash|contains": [f" -a -b -c {n}" for n in range(161)]}, "more than 20000 values"),
        ({"f": [f"a{n}*b" for n in range(501)]}, "more than 500 patterns"),
        ([{"f|re": [f"a{n}.*b" for n in range(300)]}, {"g|re": ["x+"] * 201}], "500 patterns"),
    ],
)
def test_a_rule_that_asks_for_too_much_is_refused_at_once(item, reason) -> None:
    began = time.process_time()
    told = refused_rule({"s": item, "condition": "s"})
    assert time.process_time() - began < 2
    assert (told.kind, reason in told.reason, "split it" in told.reason) == (
        "unsupported", True, True,
    )  # fmt: skip


def test_as_much_as_a_rule_may_ask_for_is_run() -> None:
    for item in (
        {"f": ["*end", "begin*", "*part*", *(f"a{n}*b" for n in range(500))]},
        {"f|windash|contains": [f" -a -b -c {n}" for n in range(159)]},
    ):
        assert len(engine(rule({"s": item, "condition": "s"})).pack.rules) == 1


def test_an_id_that_is_too_long_to_be_kept_is_listed() -> None:
    text = _text(id=None, title="x" * 200)
    assert "give it a UUID" in refused(text, f"{'folder/' * 20}x.yml").reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("- a\n- b\n", "no mapping"),
        ("title: x", "no logsource and no detection"),
        ("title: a\ntitle: b", "stands twice"),
        ("a: &a [x]\nb: *a", "aliases"),
        ("a: !!python/object/apply:os.system [id]", "not YAML"),
        ("[" * 200 + "]" * 200, "nested more than"),
        ("a: [" + "x," * 60_000 + "]", "more than"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a: " + b"x" * LARGEST_BYTES, "larger than 1 MB"),
        (_text(author="a\0b"), "NUL"),
        ("action: global\ntitle: x", "nothing follows"),
        ("action: repeat\ntitle: x", "none before"),
        ("action: erase\ntitle: x", "no action 'erase'"),
        ("? [a]\n: b", "plain word"),
    ],
)
def test_a_broken_file_is_listed_with_its_reason(text, reason) -> None:
    told = refused(text)
    assert (told.kind, told.file) == ("broken", "test.yml")
    assert reason in told.reason


@pytest.mark.parametrize(
    ("detection", "kind", "reason"),
    [
        ({"s": {"f": "x"}}, "broken", "no condition"),
        ({"s": {"f": "x"}, "condition": "t"}, "broken", "t"),
        ({"s": {"f": "x"}, "condition": "s and"}, "broken", "can't be read"),
        ({"s": {"f": "x"}, "condition": "s AND s"}, "broken", "small letters"),
        ({"s": {"f|nonsense": "x"}, "condition": "s"}, "unsupported", "nonsense"),
        ({"s": {"f|expand": "%admins%"}, "condition": "s"}, "unsupported", "%admins%"),
        ({"s": {"f|re": "(?=x)y"}, "condition": "s"}, "unsupported", "linear time"),
        ({"s": {"f|cidr": "10.0.0.300/8"}, "condition": "s"}, "broken", "CIDR"),
        ({"s": {"f|gt": "x"}, "condition": "s"}, "broken", "whole"),
        ({"s": {"f": "x"}, "condition": "s | count() > 5"}, "unsupported", "timeframe: 10m"),
        (
            {"s": {"f": "x"}, "condition": "s | near s by x", "timeframe": "1m"},
            "unsupported",
            "write it as a correlation",
        ),
        (
            {"s": {"f": "x"}, "condition": "s | max(x) by y > 5", "timeframe": "1m"},
            "unsupported",
            "write it as a correlation",
        ),
        ({"s": {"f": "x"}, "condition": ["s", "s | t"]}, "unsupported", "correlation"),
        ({"s": {"f": "x"}, "timeframe": "5m", "condition": "s"}, "unsupported", "timeframe"),
        ({"s": {}, "condition": "s"}, "broken", "empty"),
        ({"s": {"f": {"g": "x"}}, "condition": "s"}, "broken", "whole"),
    ],
)
def test_a_rule_that_can_not_be_run_is_listed_with_its_reason(detection, kind, reason) -> None:
    told = refused_rule(detection)
    assert told.kind == kind
    assert reason in told.reason
    assert told.title == "A test's rule"


@pytest.mark.parametrize(
    "condition",
    ["(" * 500 + "s" + ")" * 500, "not " * 900 + "s", " or ".join(["s"] * 2_000), "s" * 5_000],
)
def test_a_hostile_condition_is_refused_soon(condition) -> None:
    began = time.process_time()
    pack = loading.loaded(
        [("x.yml", yaml.safe_dump(rule({"s": {"f": "x"}, "condition": condition})).encode())]
    )
    assert len(pack.rules) + len(pack.not_run) == 1
    assert time.process_time() - began < 5


def test_what_would_come_to_too_many_tests_is_refused() -> None:
    values = [f"value {n}" for n in range(2_000)]
    condition = " or ".join(["1 of them"] * 200)
    told = refused_rule({"s": {"f": values}, "condition": condition})
    assert (told.kind, "tests" in told.reason) == ("unsupported", True)


def test_a_rule_of_nearly_a_megabyte_is_run() -> None:
    values = [f"value number {n} {'x' * 40}" for n in range(12_000)]
    text = yaml.safe_dump(rule({"s": {"f": values}, "condition": "s"}))
    assert 700_000 < len(text) < LARGEST_BYTES
    began = time.process_time()
    assert len(loading.loaded([("x.yml", text.encode())]).rules) == 1
    assert time.process_time() - began < 10


def test_what_is_not_there_says_so(tmp_path) -> None:
    with pytest.raises(RulesUnreadable, match="can't be read"):
        loading.load(tmp_path / "missing")


def test_our_own_rules_are_whole() -> None:
    assert loading.load(loading.OUR_RULES).not_run == ()


SHARED = """
action: global
title: Shared
level: high
logsource: {product: m365, service: audit}
detection: {it: {f: x}, condition: it}
---
id: 11111111-1111-4111-8111-111111111111
---
id: 22222222-2222-4222-8222-222222222222
level: low
detection: {it: {f: y}}
---
action: repeat
title: Again
---
action: reset
---
title: Alone
id: 33333333-3333-4333-8333-333333333333
logsource: {product: windows}
detection: {it: {g: z}, condition: it}
"""


def test_rules_that_share_parts_are_written_out() -> None:
    pack = loading.loaded([("test.yml", SHARED.encode())])
    assert pack.not_run == ()
    told = [(one.title, one.level, one.source.product) for one in pack.rules]
    assert told == [
        ("Shared", "high", "m365"),
        ("Shared", "low", "m365"),
        ("Again", "low", "m365"),
        ("Alone", "unknown", "windows"),
    ]
    assert len({one.id for one in pack.rules}) == 4
    matched = Engine(pack).detect({**AUDIT, "f": "y"})
    assert [match.rule.title for match in matched] == ["Shared", "Again"]
    again = loading.loaded([("test.yml", SHARED.encode())])
    assert [one.id for one in again.rules] == [one.id for one in pack.rules]


def test_shared_parts_do_not_make_a_small_file_a_large_one() -> None:
    shared = {"action": "global", "detection": {"it": {"f": ["x"] * 20_000}}}
    text = yaml.safe_dump_all([shared, *({"title": str(n)} for n in range(100))])
    assert "too many rules" in refused(text).reason


def _filter(condition: str = "not it", **other: object) -> dict:
    told = {"rules": ["the_rule"], "it": {"g": "harmless"}, "condition": condition, **other}
    return {
        "title": "Our backup",
        "logsource": {"product": "m365"},
        "filter": {key: value for key, value in told.items() if value is not None},
    }


def _filtered(*filters: dict) -> loading.Pack:
    documents = [*filters, rule(SIMPLE, name="the_rule"), rule(SIMPLE, title="other")]
    return loading.loaded([("test.yml", yaml.safe_dump_all(documents).encode())])


def test_a_filter_leaves_out_in_the_rules_that_it_names() -> None:
    pack = _filtered(_filter())
    assert pack.not_run == ()
    assert [one.filters for one in pack.rules] == [("Our backup",), ()]
    engine = Engine(pack)
    assert len(engine.detect({**AUDIT, "f": "x"})) == 2
    left = engine.detect({**AUDIT, "f": "x", "g": "Harmless"})
    assert [match.rule.title for match in left] == ["other"]


def test_a_filter_for_any_rule_stays_in_its_pack_and_log_source() -> None:
    assert all(one.filters for one in _filtered(_filter(rules="any")).rules)
    assert all(one.filters for one in _filtered(_filter(rules=[])).rules)
    files = [
        ("theirs/filter.yml", yaml.safe_dump(_filter(rules="any")).encode()),
        ("theirs/rule.yml", _text(title="theirs").encode()),
        ("ours/rule.yml", _text(title="ours").encode()),
    ]
    read = [(name, loading.of_file(name, content)) for name, content in files]
    pack = loading.together(read, lambda name: name.split("/")[0])
    assert {one.title: bool(one.filters) for one in pack.rules} == {"theirs": True, "ours": False}


@pytest.mark.parametrize(
    ("told", "kind", "reason"),
    [
        (_filter("it"), "unsupported", "write 'not (it)'"),
        ({**_filter(), "status": "deprecated"}, "unsupported", "deprecated"),
        (_filter(rules=["another"]), "unsupported", "none of the rules"),
        ({**_filter(), "logsource": {"product": "windows"}}, "unsupported", "log source"),
        (_filter(rules=None), "broken", "it needs rules"),
        (_filter("not that"), "broken", "that"),
        ({**_filter(), "logsource": None}, "broken", "logsource"),
        ({"title": "x", "filter": ["y"]}, "broken", "it needs rules"),
    ],
)
def test_a_filter_that_can_not_be_run_is_listed(told, kind, reason) -> None:
    pack = _filtered(told)
    assert len(pack.rules) == 2
    assert [one.kind for one in pack.not_run] == [kind]
    assert reason in pack.not_run[0].reason
