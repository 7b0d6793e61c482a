"""The schema for editors: every playbook of the library passes, and what it refuses is wrong."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import playbooks.library
from playbooks import language, yaml_reader
from playbooks.authoring import schema
from playbooks.errors import PlaybookError
from tests.examples import examples
from tests.playbooks.samples import ASK, DISABLE, NOT_ENOUGH, investigation_text, response_text

LIBRARY = sorted(Path(playbooks.library.__file__).parent.glob("*.yaml"))
ROUTINE = response_text().replace("kind: response", "kind: routine")
VALIDATOR = jsonschema.Draft7Validator(schema.playbook_schema())


def _refused(text: str) -> list[str]:
    data = yaml_reader.parse(text, "sample.yaml").data
    return [error.json_path for error in VALIDATOR.iter_errors(data)]


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema.playbook_schema())


def _every(value: Any, key: str) -> list[Any]:
    inside = list(value.values()) if isinstance(value, dict) else value
    found = [one for part in inside if isinstance(part, dict | list) for one in _every(part, key)]
    return [*found, *([value[key]] if isinstance(value, dict) and key in value else [])]


def test_it_is_one_that_editors_take() -> None:
    """Editors refuse a schema whole for an empty or double list of values; most know draft 7."""
    told = schema.playbook_schema()
    assert told["$schema"] == "http://json-schema.org/draft-07/schema#"
    for values in _every(told, "enum"):
        assert values
        assert len({str(value) for value in values}) == len(values)
    known = {f"#/definitions/{name}" for name in told["definitions"]}
    assert set(_every(told, "$ref")) <= known


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_every_playbook_of_the_library_passes(path: Path) -> None:
    assert _refused(path.read_text(encoding="utf-8")) == []


def test_the_samples_pass() -> None:
    assert _refused(response_text()) == _refused(investigation_text()) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (response_text(more="colour: red\n"), "$"),
        (response_text().replace("title: Sample\n", ""), "$"),
        (response_text().replace("kind: response", "kind: party"), "$.kind"),
        (response_text(DISABLE.replace("disable_sign_in", "fly")), "$.steps[0].uses"),
        (response_text(ASK), "$.steps[0].uses"),
        (investigation_text(steps=DISABLE), "$.steps[0].uses"),
        (response_text(DISABLE.replace("account", "mailbox")), "$.steps[0].target"),
        (response_text(DISABLE.replace("account", "weather")), "$.steps[0].target"),
        (response_text(DISABLE + "    tier: king\n"), "$.steps[0].tier"),
        (response_text(DISABLE + "    at_most: 101\n"), "$.steps[0].at_most"),
        (response_text(DISABLE + "    timeout: soon\n"), "$.steps[0].timeout"),
        (response_text(DISABLE + "    with: {speed: 5}\n"), "$.steps[0].with"),
        (response_text(DISABLE + "    colour: red\n"), "$.steps[0]"),
        (response_text(DISABLE + "    needs: disable\n"), "$.steps[0].needs"),
        (response_text("  []\n"), "$.steps"),
        (response_text(more="verdicts: [{id: x}]\n"), "$.verdicts"),
        (response_text(more="inputs: {days: {type: number, title: x}}\n"), "$.inputs.days.type"),
        (response_text().replace("tier: automatic", "verdict: benign"), "$.tests[0].expect"),
        (investigation_text(NOT_ENOUGH.replace("low", "sure")), "$.verdicts[0].confidence"),
        (response_text(more="responses: {guilty: [x]}\n"), "$.responses"),
        (response_text(more="results: [{id: a, says: b}]\n"), "$.results"),
        (ROUTINE + "results: [{id: a}]\n", "$.results[0]"),
        (ROUTINE + "results: [{id: a, says: b, tier: c}]\n", "$.results[0]"),
        (ROUTINE + "results: {id: a}\n", "$.results"),
    ],
)
def test_what_it_refuses_is_refused_by_the_loader_too(text: str, path: str) -> None:
    assert path in _refused(text)
    with pytest.raises(PlaybookError) as caught:
        language.load_checked(text, "sample.yaml")
    assert re.match(r"sample\.yaml:\d+:\d+: ", caught.value.problems[0])


Change = Callable[[dict[str, Any]], object]
RESPONSE: dict[str, Change] = {
    "no steps": lambda book: book.pop("steps"),
    "steps that are a mapping": lambda book: book.update(steps={"a": 1}),
    "a step that is a text": lambda book: book["steps"].append("disable"),
    "no id of a step": lambda book: book["steps"][0].pop("id"),
    "no uses": lambda book: book["steps"][0].pop("uses"),
    "an unknown action": lambda book: book["steps"][0].update(uses="identity.disable_signin"),
    "a question in a response": lambda book: book["steps"][0].update(uses="identity.list_groups"),
    "a target of another kind": lambda book: book["steps"][0].update(target="device"),
    "an unknown target": lambda book: book["steps"][0].update(target="weather"),
    "a target without an id": lambda book: book["steps"][0].update(target={"name": "x"}),
    "a target that is a list": lambda book: book["steps"][0].update(target=["account"]),
    "a condition that is a number": lambda book: book["steps"][0].update(when=5),
    "a list that is a list": lambda book: book["steps"][0].update(for_each=[1, 2]),
    "needs that is a text": lambda book: book["steps"][1].update(needs="disable_sign_in"),
    "needs of numbers": lambda book: book["steps"][1].update(needs=[1]),
    "an unknown tier": lambda book: book["steps"][0].update(tier="manager"),
    "an unknown end": lambda book: book["steps"][0].update(on_failure="retry"),
    "rollback in one word": lambda book: book["steps"][0].update(on_failure="rollback"),
    "a time without a unit": lambda book: book["steps"][0].update(timeout=30),
    "a time in days": lambda book: book["steps"][0].update(timeout="2d"),
    "too many objects": lambda book: book["steps"][0].update(at_most=1000),
    "no object": lambda book: book["steps"][0].update(at_most=0),
    "an input that it doesn't take": lambda book: book["steps"][0].update({"with": {"a": 1}}),
    "a misspelled key of a step": lambda book: book["steps"][0].update(need=["x"]),
    "a misspelled key": lambda book: book.update(step=[]),
    "no tests": lambda book: book.pop("tests"),
    "an empty list of tests": lambda book: book.update(tests=[]),
    "a test that expects nothing": lambda book: book["tests"][0].pop("expect"),
    "a test that expects a verdict": lambda book: book["tests"][0].update(
        expect={"verdict": "benign"}
    ),
    "an unknown key of a test": lambda book: book["tests"][0].update(given={}),
    "an unknown kind": lambda book: book.update(kind="reponse"),
    "no title": lambda book: book.pop("title"),
    "a verdict table": lambda book: book.update(verdicts=[{"id": "x"}]),
    "attack as a text": lambda book: book.update(attack="T1078"),
    "responses of no verdict": lambda book: book.update(responses={"guilty": ["x"]}),
    "an input of no type": lambda book: book.update(inputs={"a": {"type": "date", "title": "A"}}),
    "an input without a title": lambda book: book.update(inputs={"a": {"type": "string"}}),
}
INVESTIGATION: dict[str, Change] = {
    "no verdict table": lambda book: book.pop("verdicts"),
    "an empty verdict table": lambda book: book.update(verdicts=[]),
    "an unknown verdict": lambda book: book["verdicts"][0].update(verdict="malicious"),
    "an unknown confidence": lambda book: book["verdicts"][0].update(confidence="certain"),
    "a row without a reason": lambda book: book["verdicts"][0].pop("because"),
    "a misspelled key of a row": lambda book: book["verdicts"][0].update(then="x"),
    "an action in an investigation": lambda book: book["steps"][0].update(
        uses="identity.revoke_sessions"
    ),
    "a test that expects steps": lambda book: book["tests"][0].update(expect={"steps": []}),
}


def _book(name: str) -> dict[str, Any]:
    [path] = [path for path in LIBRARY if path.stem == name]
    data = yaml_reader.parse(path.read_text(encoding="utf-8"), name).data
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize("name", RESPONSE)
def test_a_broken_response_of_the_library_is_refused_by_both(name: str) -> None:
    _both_refuse("contain-cloud-account", RESPONSE[name])


@pytest.mark.parametrize("name", INVESTIGATION)
def test_a_broken_investigation_of_the_library_is_refused_by_both(name: str) -> None:
    _both_refuse("investigate-account-takeover", INVESTIGATION[name])


def _both_refuse(name: str, change: Change) -> None:
    book = _book(name)
    assert list(VALIDATOR.iter_errors(book)) == []
    change(book)
    assert list(VALIDATOR.iter_errors(book))
    with pytest.raises(PlaybookError):
        language.load_checked(yaml.safe_dump(book, sort_keys=False), "sample.yaml")


ODD = st.sampled_from(
    [None, True, False, 0, 1, -1, 1.5, "", "x", "true", "account", [], ["x"], [1], {}, {"a": 1},
     {"external_id": "x"}, "30s", "identity.revoke_sessions", "technician", [{}], "stop"]
)  # fmt: skip


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return each place in a value: what it is in, and under which key."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in list(inside):
        found.append((value, key))
        if isinstance(item, dict | list) and key not in ("example", "change"):
            found += _places(item)
    return found


@given(data=st.data(), path=st.sampled_from(LIBRARY))
@settings(
    max_examples=examples(150),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
    # Making a failing file smaller would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
def test_it_is_never_stricter_than_the_loader(data: st.DataObject, path: Path) -> None:
    """An editor must not mark what can be used."""
    book = copy.deepcopy(_book(path.stem))
    for _ in range(data.draw(st.integers(1, 2))):
        places = _places(book)
        around, key = places[data.draw(st.integers(0, len(places) - 1))]
        if data.draw(st.booleans()):
            around[key] = data.draw(ODD)
        else:
            del around[key]
    text = yaml.safe_dump(book, sort_keys=False)
    try:
        language.load_checked(text, "sample.yaml")
    except PlaybookError:
        return
    found = [(e.json_path, e.message[:150]) for e in VALIDATOR.iter_errors(yaml.safe_load(text))]
    assert found == []
