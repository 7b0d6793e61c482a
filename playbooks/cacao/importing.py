"""A CACAO 2.0 document → the YAML of a playbook."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from playbooks import language, yaml_reader
from playbooks.cacao import graph, places, words
from playbooks.cacao.exporting import export
from playbooks.cacao.files import MOST_IN_A_FILE, check_values, read
from playbooks.cacao.shape import difference
from playbooks.errors import PlaybookError
from playbooks.expressions.conditions import Condition
from playbooks.language import Playbook

_MADE = "made"
_SOURCES = {"source_text", "source_sha256"}
_TAKEN = "said by CACAO's own properties already: take it out here"
_UNITS = ((3_600_000, "h"), (60_000, "m"), (1000, "s"))


def to_yaml(document: Mapping[str, Any]) -> str:
    """Return the YAML of the playbook that a document describes, checked.

    The text that came with the document is given back, with its comments, if its hash is right
    and it says the same as the structure. PlaybookError names the place of all that is wrong: a
    pointer into the document.

    Not taken over, as the file has no words for it: labels, markings, signatures, dates, priority,
    severity and impact. What a workflow says otherwise than Holdfast would is refused, never
    dropped.
    """
    if not isinstance(document, Mapping):
        raise PlaybookError(["/: a CACAO playbook is a JSON object"])
    check_values(document)
    document = _plain(document)
    graph.check(document)
    told = _data(document)
    # Writing YAML is slow: what `language` would refuse for its size isn't written first.
    check_values(told, MOST_IN_A_FILE)
    text = _dump(told)
    playbook = _load(text, document["playbook_extensions"][words.EXTENSION]["steps"])
    changed = difference(document, export(playbook))
    if changed:
        raise PlaybookError([changed])
    return _original(document, playbook) or text


def from_json(text: str, name: str) -> str:
    """Return the YAML of the playbook in a JSON document; PlaybookError with file and line."""
    document = read(text, name)
    try:
        return to_yaml(document)
    except PlaybookError as error:
        raise PlaybookError([_placed(problem, text, name) for problem in error.problems]) from None


def in_json(problems: Sequence[str], made: str, text: str, name: str) -> list[str]:
    """Say problems of the YAML that was `made` of a JSON document with their places in that."""
    order = read(text, name)["playbook_extensions"][words.EXTENSION]["steps"]
    told = _in_keys(problems, made, name)
    return [_placed(_in_document(one, order), text, name) for one in told]


def _placed(problem: str, text: str, name: str) -> str:
    pointer, _, said = problem.partition(": ")
    if not pointer.startswith("/"):
        return problem
    line, column = places.place(text, pointer)
    return f"{name}:{line}:{column}: {pointer}: {said}"


def _load(text: str, order: Sequence[str]) -> Playbook:
    """Load the YAML just made; its lines were never seen, so problems point into the document."""
    try:
        return language.load(text, _MADE)
    except PlaybookError as error:
        told = _in_keys(error.problems, text, _MADE)
        raise PlaybookError([_in_document(one, order) for one in told]) from None


def _in_keys(problems: Sequence[str], text: str, name: str) -> list[str]:
    """Name the keys of a YAML text in the place of lines and columns."""
    try:
        known = yaml_reader.parse(text, name).places
    except PlaybookError:
        known = {}
    keys = {
        f"{name}:{line}:{column}": f"/{'/'.join(map(str, path))}"
        for path, (line, column) in reversed(known.items())
    }
    told = [problem.partition(": ") for problem in problems]
    return [
        f"{keys.get(place) or '/'}: {said}" if place.startswith(f"{name}:") else f"{place}: {said}"
        for place, _, said in told
    ]


def _in_document(problem: str, order: Sequence[str]) -> str:
    """Point to where a document says what the file says under a key."""
    pointer, _, said = problem.partition(": ")
    _, *names = pointer.split("/")
    if not names or names[0] not in {*words.PLAYBOOK_KEYS.values(), *words.NATIVE_KEYS}:
        return problem
    extension = f"/playbook_extensions/{words.EXTENSION}"
    rest = "".join(f"/{name}" for name in names[1:])
    native = {"title": "/name", "summary": "/description"}
    if names[0] == "steps":
        where = _step_in_document(names[1:], order)
    elif names[0] in words.NATIVE_KEYS:
        where = native.get(names[0], "/external_references")
    else:
        known = {key: name for name, key in words.PLAYBOOK_KEYS.items()}
        where = f"{extension}/{known[names[0]]}{rest}"
    return f"{where}: {said}"


def _step_in_document(names: Sequence[str], order: Sequence[str]) -> str:
    if not names or int(names[0]) >= len(order):
        return f"/playbook_extensions/{words.EXTENSION}/steps"
    step = f"/workflow/{order[int(names[0])]}"
    native = {"id": "/name", "why": "/description", "timeout": "/timeout"}
    if len(names) == 1:
        return step
    rest = "".join(f"/{name}" for name in names[1:])
    return step + native.get(names[1], f"/step_extensions/{words.EXTENSION}{rest}")


def _data(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the file says, in its own keys and in their order."""
    ours = document["playbook_extensions"][words.EXTENSION]
    told = {key: ours[name] for name, key in words.PLAYBOOK_KEYS.items() if name in ours}
    known = words.PLAYBOOK_KEYS.keys() | _SOURCES | {"steps"}
    others = {name: value for name, value in ours.items() if name not in known}
    taken = sorted(others.keys() & (words.NATIVE_KEYS | {"id"}))
    if taken:
        raise PlaybookError(
            [f"/playbook_extensions/{words.EXTENSION}/{name}: {_TAKEN}" for name in taken]
        )
    head: dict[str, Any] = {key: told.pop(key) for key in ("id", "version", "kind") if key in told}
    head |= {"title": document["name"], "summary": document.get("description", "")}
    head |= _references(document.get("external_references", []))
    first = {key: told.pop(key) for key in ("trigger", "inputs") if key in told}
    return {**head, **first, "steps": _steps(document, ours["steps"]), **told, **others}


def _references(told: Any) -> dict[str, list[str]]:
    if not isinstance(told, list):
        raise PlaybookError(["/external_references: a list is missing here"])
    found: dict[str, list[str]] = {"attack": [], "d3fend": [], "sources": []}
    for i, reference in enumerate(told):
        place = f"/external_references/{i}"
        if not isinstance(reference, Mapping):
            raise PlaybookError([f"{place}: an object is missing here"])
        name = reference.get("name")
        key = {words.ATTACK: "attack", words.D3FEND: "d3fend"}.get(str(name), "sources")
        names = ("external_id",) if key != "sources" else ("url", "source")
        values = [reference[known] for known in names if isinstance(reference.get(known), str)]
        if len(values) != 1:
            raise PlaybookError([f"{place}: give {' or '.join(names)}, as a text"])
        found[key].append(values[0])
    return {key: values for key, values in found.items() if values}


def _steps(document: Mapping[str, Any], order: list[str]) -> list[dict[str, Any]]:
    workflow = document["workflow"]
    return [_step(f"/workflow/{name}", workflow[name], workflow) for name in order]


def _step(place: str, step: Mapping[str, Any], workflow: Mapping[str, Any]) -> dict[str, Any]:
    ours = dict(step["step_extensions"][words.EXTENSION])
    needs = ours.pop("needs", None)
    taken = sorted(ours.keys() & words.NATIVE_STEP_KEYS)
    if taken:
        raise PlaybookError(
            [f"{place}/step_extensions/{words.EXTENSION}/{key}: {_TAKEN}" for key in taken]
        )
    uses = {"uses": ours.pop("uses")} if "uses" in ours else {}
    told = {"id": step.get("name"), **uses}
    if needs is not None:
        if not isinstance(needs, list):
            raise PlaybookError(
                [f"{place}/step_extensions/{words.EXTENSION}/needs: a list is missing"]
            )
        told["needs"] = [workflow[needed].get("name") for needed in needs]
    told |= ours
    if "description" in step:
        told["why"] = step["description"]
    if "timeout" in step:
        told["timeout"] = _duration(place, step["timeout"])
    return told


def _duration(place: str, milliseconds: Any) -> str:
    if type(milliseconds) is int and milliseconds > 0:
        for size, unit in _UNITS:
            if milliseconds % size == 0:
                return f"{milliseconds // size}{unit}"
    raise PlaybookError([f"{place}/timeout: whole seconds are needed, in milliseconds"])


def _original(document: Mapping[str, Any], playbook: Playbook) -> str | None:
    """Return the text that came along, if it says just the same; None where it doesn't."""
    ours = document["playbook_extensions"][words.EXTENSION]
    text = ours.get("source_text")
    if not isinstance(text, str):
        return None
    sha256 = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    if sha256 != ours.get("source_sha256"):
        return None
    try:
        original = language.load(text, "the text in it")
    except PlaybookError:
        return None
    return text if _said(original) == _said(playbook) else None


def _said(value: Any) -> Any:
    """Return all that a playbook says, without the text that says it, for comparing."""
    if isinstance(value, Condition):
        return value.text
    if dataclasses.is_dataclass(value):
        return {
            field.name: _said(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name not in ("source", "source_sha256")
        }
    if isinstance(value, Mapping):
        return {key: _said(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_said(item) for item in value]
    # 1, 1.0 and true are equal in Python, and not the same in a file.
    return value if isinstance(value, str) else (type(value).__name__, value)


class _Dumper(yaml.SafeDumper):
    """Writes each value out: the language has no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Unquoted, PyYAML folds the rarer line breaks (NEL, U+2028) and they come back as another, and
    # some texts are numbers to other readers.
    is_plain = text.isprintable() and not yaml_reader.is_doubtful(text, text)
    style = None if is_plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _quoted)


def _dump(data: Mapping[str, Any]) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
