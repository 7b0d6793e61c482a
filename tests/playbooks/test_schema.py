"""The schema for editors: every playbook of the library passes, and what it refuses is wrong."""

import re
from pathlib import Path

import jsonschema
import pytest

import playbooks.library
from playbooks import language, schema, yaml_reader
from playbooks.errors import PlaybookError
from tests.playbooks.samples import ASK, DISABLE, NOT_ENOUGH, investigation_text, response_text

LIBRARY = sorted(Path(playbooks.library.__file__).parent.glob("*.yaml"))
ROUTINE = response_text().replace("kind: response", "kind: routine")
VALIDATOR = jsonschema.Draft202012Validator(schema.playbook_schema())


def _refused(text: str) -> list[str]:
    data = yaml_reader.parse(text, "sample.yaml").data
    return [error.json_path for error in VALIDATOR.iter_errors(data)]


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.playbook_schema())


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
