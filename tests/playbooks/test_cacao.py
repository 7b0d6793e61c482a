"""CACAO 2.0: every playbook goes out and comes back the same, and nothing else comes in."""

import contextlib
import copy
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playbooks import cacao, language, library, yaml_reader
from playbooks.errors import PlaybookError
from playbooks.expressions.conditions import Condition
from playbooks.language import Playbook
from tests.contracts.cacao import violations
from tests.examples import examples
from tests.playbooks.random_playbooks import playbook_texts

FILES = sorted(Path(library.__file__).parent.glob("*.yaml"))
CONTAIN = next(file for file in FILES if file.stem == "contain-cloud-account")
LARGE_CASE = (
    f"tests:\n  - {{name: large, change: {{hour: {2**60}}}, expect: {{tier: automatic}}}}\n"
)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
FRESH = """
import sys
from playbooks import cacao, language
sys.stdout.write(cacao.write(cacao.export(language.load(sys.stdin.read()))))
"""


def said(value: Any) -> Any:
    """Return all that a playbook says, but not the text that says it."""
    if isinstance(value, Condition):
        return value.text
    if hasattr(value, "__dataclass_fields__"):
        names = set(value.__dataclass_fields__) - {"source", "source_sha256"}
        return {name: said(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {key: said(item) for key, item in value.items()}
    return [said(item) for item in value] if isinstance(value, list | tuple) else value


def exported(file: Path = CONTAIN) -> dict[str, Any]:
    return cacao.export(language.load(file.read_text(encoding="utf-8"), file.name))


def extension(document: dict[str, Any]) -> dict[str, Any]:
    (ours,) = document["playbook_extensions"].values()
    return ours


def without_text(document: dict[str, Any]) -> dict[str, Any]:
    for key in ("source_text", "source_sha256"):
        del extension(document)[key]
    return document


def step(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(s for s in document["workflow"].values() if s.get("name") == name)


def own(action: dict[str, Any]) -> dict[str, Any]:
    (ours,) = action["step_extensions"].values()
    return ours


def problems(document: Any) -> str:
    with pytest.raises(PlaybookError) as caught:
        cacao.to_yaml(document)
    assert all(problem.startswith("/") for problem in caught.value.problems)
    return "\n".join(caught.value.problems)


def load(text: str) -> Playbook:
    return language.load(text, "random.yaml")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_playbook_of_the_library_comes_back_byte_for_byte(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    document = cacao.read(cacao.write(exported(file)))
    assert violations(document) == []
    assert cacao.to_yaml(document) == text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_playbook_of_the_library_comes_back_from_the_structure_alone(file: Path) -> None:
    text = cacao.to_yaml(without_text(exported(file)))
    assert said(load(text)) == said(load(file.read_text(encoding="utf-8")))


@settings(max_examples=examples(40), suppress_health_check=SLOW, deadline=None)
@given(playbook_texts())
def test_a_random_playbook_comes_back_equal(text: str) -> None:
    playbook = load(text)
    written = cacao.write(cacao.export(playbook))
    assert violations(cacao.read(written)) == []
    assert cacao.to_yaml(cacao.read(written)) == text
    rebuilt = cacao.to_yaml(without_text(cacao.read(written)))
    assert said(load(rebuilt)) == said(playbook)
    assert yaml_reader.parse(rebuilt, "rebuilt").doubtful == {}
    # And what was rebuilt is a playbook like any other: it goes out and comes back once more.
    assert cacao.to_yaml(cacao.export(load(rebuilt))) == rebuilt


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(found for key, item in inside for found in _places(item, (*path, key)))]


BIG = st.integers(0, 2**30)
ODD = st.sampled_from(
    [None, True, -1, 0, 1.5, "", "x", "\ud800", "true", [], [[]], {}, {"x": {}}, [None], ["x"],
     10**400, float("nan"), {"id": "x"}, object(), "case.x(", "a" * 3000, {1: 2}]
)  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn) -> Any:
    """Change an exported document in up to three places: take out, replace, or put elsewhere."""
    document: Any = exported(draw(st.sampled_from(FILES)))
    if draw(st.booleans()):
        without_text(document)
    for _ in range(draw(st.integers(1, 3))):
        if not document:
            break
        places = _places(document)
        *path, last = places[1 + draw(BIG) % (len(places) - 1)]
        around = document
        for key in path:
            around = around[key]
        how = draw(st.sampled_from(["take out", "replace", "copy"]))
        if how == "take out":
            del around[last]
        elif how == "replace":
            around[last] = copy.deepcopy(draw(ODD))
        else:
            value = document
            for key in places[draw(BIG) % len(places)]:
                value = value[key]
            around[last] = copy.deepcopy(value)
    return document


@settings(max_examples=examples(80), suppress_health_check=SLOW, deadline=None)
@given(mutations())
def test_a_changed_document_is_either_a_playbook_or_refused(document: Any) -> None:
    with contextlib.suppress(PlaybookError):
        load(cacao.to_yaml(document))


@settings(max_examples=examples(50), deadline=None)
@given(st.text(max_size=40) | st.none(), st.integers(0, 20_000))
def test_json_cut_off_anywhere_is_refused(text: str | None, cut: int) -> None:
    written = cacao.write(exported()) if text is None else text
    if len(written) > cut:
        with pytest.raises(PlaybookError):
            cacao.to_yaml(cacao.read(written[:cut]))


def test_what_cacao_has_words_for_is_told_in_them() -> None:
    document = exported()
    workflow = document["workflow"]
    first = workflow[workflow[document["workflow_start"]]["on_completion"]]
    assert first["type"] == "if-condition"
    assert first["description"] == "account.is_enabled != false"
    assert workflow[first["on_true"]]["name"] == "disable_sign_in"
    both = workflow[first["on_completion"]]
    assert both["type"] == "parallel"
    names = {workflow[name].get("name") or workflow[name]["type"] for name in both["next_steps"]}
    assert names == {"reset_password", "while-condition"}
    assert workflow[both["on_completion"]]["name"] == "revoke_sessions"
    ids = {reference.get("external_id") for reference in document["external_references"]}
    assert "T1078.004" in ids


def test_a_step_that_stops_the_rest_goes_on_by_success_only() -> None:
    text = CONTAIN.read_text(encoding="utf-8").replace("    on_failure: continue\n", "")
    document = cacao.export(load(text))
    action = step(document, "revoke_sessions")
    assert "on_success" in action
    assert "on_completion" not in action
    assert document["workflow"][document["workflow_exception"]]["type"] == "end"


def test_the_same_playbook_is_the_same_bytes_in_another_process() -> None:
    text = CONTAIN.read_text(encoding="utf-8")
    ours = cacao.write(cacao.export(language.load(text)))
    for seed in ("1", "4242"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"}
        made = subprocess.run(
            [sys.executable, "-c", FRESH], input=text, env=env, capture_output=True, text=True,
            encoding="utf-8", check=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert made.stdout == ours


def test_changing_a_document_changes_no_later_one() -> None:
    document = exported()
    before = cacao.write(document)
    document["playbook_types"].clear()
    for target in document["target_definitions"].values():
        target.clear()
    extension(document)["example"].clear()
    assert cacao.write(exported()) == before


def test_each_version_is_a_document_of_its_own() -> None:
    text = CONTAIN.read_text(encoding="utf-8")
    ids = {cacao.export(load(version))["id"] for version in (text, text + "# later\n")}
    assert len(ids) == 2
    assert cacao.export(load(text))["id"] in ids


def test_a_structure_that_was_edited_wins_over_the_text() -> None:
    document = exported()
    document["name"] = "Contain it at once"
    own(step(document, "reset_password"))["tier"] = "client"
    text = cacao.to_yaml(document)
    playbook = load(text)
    assert playbook.title == "Contain it at once"
    assert {s.id: s.tier for s in playbook.steps}["reset_password"] == "client"
    assert "# Sign-in is blocked first" not in text


@pytest.mark.parametrize("key", ["source_text", "source_sha256"])
def test_a_text_that_is_not_what_its_hash_says_is_ignored(key: str) -> None:
    document = exported()
    extension(document)[key] = extension(document)[key].replace("e", "f")
    text = cacao.to_yaml(document)
    assert said(load(text)) == said(load(CONTAIN.read_text(encoding="utf-8")))
    assert "# Sign-in is blocked first" not in text


def test_a_text_that_says_something_else_is_ignored_even_with_the_right_hash() -> None:
    document, other = exported(), exported(FILES[-1])
    for key in ("source_text", "source_sha256"):
        extension(document)[key] = extension(other)[key]
    assert load(cacao.to_yaml(document)).id == "contain-cloud-account"


def test_other_ids_and_another_order_change_nothing() -> None:
    written = cacao.write(exported())
    for name in exported()["workflow"]:
        kind, _, uuid = name.rpartition("--")
        written = written.replace(name, f"{kind.rstrip('-')}--{uuid[:-4]}beef")
    document = cacao.read(written)
    document["workflow"] = dict(reversed(document["workflow"].items()))
    assert cacao.to_yaml(document) == CONTAIN.read_text(encoding="utf-8")


def test_a_playbook_made_elsewhere_is_refused() -> None:
    document = exported()
    del document["playbook_extensions"]
    assert "made elsewhere" in problems(document)


def test_steps_that_lead_nowhere_are_all_named() -> None:
    document = exported()
    gone = "end--00000000-0000-4000-8000-000000000000"
    step(document, "reset_password")["on_completion"] = gone
    step(document, "revoke_sessions")["on_completion"] = gone
    own(step(document, "revoke_sessions"))["needs"] = [gone.replace("end", "action")]
    told = problems(document)
    assert told.count("is no step of this playbook") == 3
    assert "/on_completion: 'end--0" in told
    assert "/needs/0: 'action--0" in told


def test_a_circle_in_the_workflow_is_refused() -> None:
    document = exported()
    action = step(document, "revoke_sessions")
    action["on_completion"] = document["workflow"][document["workflow_start"]]["on_completion"]
    assert "leads back to itself" in problems(document)


def test_a_circle_of_needs_is_refused() -> None:
    document = exported()
    names = {s.get("name"): key for key, s in document["workflow"].items()}
    own(step(document, "disable_sign_in"))["needs"] = [names["revoke_sessions"]]
    told = problems(document)
    assert told.startswith(f"/workflow/{names['disable_sign_in']}/step_extensions/")
    assert "/needs: these steps wait for each other" in told


def test_a_step_that_nothing_leads_to_is_refused() -> None:
    document = exported()
    document["workflow"]["end--00000000-0000-4000-8000-000000000000"] = {"type": "end"}
    assert "no other step leads here" in problems(document)


def test_two_things_of_one_id_are_refused() -> None:
    document = exported()
    place = next(name for name in document["workflow"] if name.startswith("end"))
    agent = next(iter(document["agent_definitions"]))
    twin = "organization--" + place.rpartition("--")[2]
    document["target_definitions"][twin] = {"type": "organization", "name": "Acme"}
    assert "its UUID is that of" in problems(document)
    document = exported()
    extension(document)["steps"].append(extension(document)["steps"][0])
    assert "stands twice" in problems(document)
    document = exported()
    step(document, "reset_password")["name"] = "disable_sign_in"
    assert "stands twice" in problems(document)
    assert agent in document["agent_definitions"]


def test_a_key_that_stands_twice_in_the_json_is_refused() -> None:
    written = cacao.write(exported())
    with pytest.raises(PlaybookError, match="'type' stands twice"):
        cacao.read(written.replace('"type": "playbook"', '"type": "playbook", "type": "x"', 1))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"spec_version": "cacao-1.1"}, "/spec_version: 'cacao-1.1' can't be read"),
        ({"type": "bundle"}, "/type: 'bundle' is no CACAO playbook"),
        ({"revoked": True}, "has withdrawn"),
        ({"workflow": []}, "/workflow: missing or no object"),
        ({"name": 5}, "/name: missing or no text"),
        ({"external_references": [{"name": "MITRE ATT&CK"}]}, "/external_references/0: give"),
        ({"description": ""}, "'summary' is missing"),
        ({"x": float("inf")}, "/x: no number that JSON has"),
        ({"x": 2**53}, "/x: too large for a number"),
        ({"x": "a" * 9_000_000}, "larger than any playbook"),
        ({"x": [0] * 300_000}, "larger than any playbook"),
    ],
)
def test_a_head_that_is_wrong_is_refused(change: dict[str, Any], told: str) -> None:
    assert told in problems({**exported(), **change})


def test_an_extension_larger_than_a_file_may_be_is_refused_at_once() -> None:
    document = exported()
    extension(document)["example"] = {"evidence": {"x": [0] * 150_000}}
    started = time.monotonic()
    assert "larger than any playbook" in problems(document)
    assert time.monotonic() - started < 5


def test_nesting_without_end_is_refused() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert "levels deep" in problems({**exported(), "x": deep})
    with pytest.raises(PlaybookError, match="not JSON"):
        cacao.read('{"x":' + "[" * 200_000)
    with pytest.raises(PlaybookError, match="larger than"):
        cacao.read('{"x": "' + "a" * 10_000_000 + '"}')


def test_what_a_workflow_says_besides_is_refused_not_dropped() -> None:
    document = exported()
    step(document, "reset_password")["commands"][0]["command"] = "Delete the account"
    assert "commands differs from what its extension" in problems(document)
    document = exported()
    own(step(document, "reset_password"))["uses"] = "identity.revoke_sessions"
    assert "commands differs" in problems(document)
    document = exported()
    condition = next(s for s in document["workflow"].values() if s["type"] == "if-condition")
    condition["on_completion"] = condition["on_true"]
    assert problems(document)


def test_other_words_of_another_release_change_nothing() -> None:
    document = exported()
    for action in document["workflow"].values():
        for command in action.get("commands", []):
            command.update(description="In other words", playbook_activity="eliminate-risk")
        if action["type"] in ("end", "parallel"):
            action["name"] = "Something else"
    for target in document["target_definitions"].values():
        target["name"] = "Somebody"
    assert cacao.to_yaml(document) == CONTAIN.read_text(encoding="utf-8")


def test_a_number_that_json_can_not_hold_is_refused_on_the_way_out() -> None:
    text = CONTAIN.read_text(encoding="utf-8").replace("tests:\n", LARGE_CASE, 1)
    with pytest.raises(PlaybookError, match="too large for a number in JSON"):
        cacao.export(load(text))
