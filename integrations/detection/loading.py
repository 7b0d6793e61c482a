"""Sigma rules from a file, a folder or an archive, in SigmaHQ's layout or any other.

Nothing that was there is dropped silently: what can't be run is listed with its file and reason.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigma.exceptions import (
    SigmaConditionError,
    SigmaError,
    SigmaModifierError,
    SigmaRegularExpressionError,
)
from sigma.policy import SigmaPolicy
from sigma.rule import SigmaRule

from integrations.detection import bounds, legacy, placeholders
from integrations.detection.compiling import compiled
from integrations.detection.documents import documents
from integrations.detection.errors import Broken, Unsupported
from integrations.detection.files import LARGEST_BYTES, File, files_of
from integrations.detection.filters import ANY, PackOf, applied
from integrations.detection.placeholders import Values
from integrations.detection.predicates import QuietRe2
from integrations.detection.rules import Filter, LogSource, NotRun, Pack, Rule

OUR_RULES = Path(__file__).parent / "rules"
_NOT_IN_USE = ("deprecated", "unsupported")
_PUT_AWAY = "its author marks it as "
# As long as the columns that keep it.
LONGEST_ID = 300
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_CAPITALS = re.compile(r"\b(AND|OR|NOT)\b")
_POLICY = SigmaPolicy(regex_engine=QuietRe2())
# The specification has names that pySigma lacks.
_ALIASES = {"utf16le": "wide"}


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds: its documents, and of each the rule or filter, or why it can't be run."""

    documents: tuple[dict[str, Any], ...]
    rules: tuple[Rule | Filter | NotRun, ...]


def load(path: Path, values: Values = placeholders.NONE) -> Pack:
    """Read all the rules of a file, a folder or an archive (zip, tar, tar.gz).

    `values` are those of placeholders. RulesUnreadable where there is nothing to read.
    """
    return loaded(files_of(path), values)


def loaded(files: Iterable[File], values: Values = placeholders.NONE) -> Pack:
    """Read the rules of files that are given as name and content."""
    return together((name, of_file(name, content, values)) for name, content in files)


def together(files: Iterable[tuple[str, Read]], pack_of: PackOf = lambda name: "") -> Pack:
    """Make one pack of what was read of files, each with its name.

    `pack_of` tells by a file's name to which pack it belongs.
    """
    rules: dict[str, Rule] = {}
    filters: list[Filter] = []
    not_run: list[NotRun] = []
    for name, read in files:
        for one in read.rules:
            if isinstance(one, NotRun):
                not_run.append(one)
            elif reason := _misnamed(one, rules):
                not_run.append(NotRun(name, one.title, "broken", reason))
            elif isinstance(one, Filter):
                filters.append(one)
            else:
                rules[one.id] = one
    rules, used, idle = applied(rules, filters, pack_of)
    return Pack(tuple(rules.values()), (*not_run, *idle), used)


def _misnamed(one: Rule | Filter, rules: Mapping[str, Rule]) -> str:
    """Why a rule can't have its id; empty where it can."""
    if len(one.id) > LONGEST_ID:
        return f"its id has more than {LONGEST_ID} characters: give it a UUID"
    return f"another rule has the same id: {rules[one.id].file}" if one.id in rules else ""


def is_put_away(one: NotRun) -> bool:
    """Whether a rule is not run because its author has put it away."""
    return one.reason.startswith(_PUT_AWAY)


def of_file(name: str, content: bytes, values: Values = placeholders.NONE) -> Read:
    """Read a file's rules, ready to run; `values` are those of placeholders."""
    try:
        found = documents(content, LARGEST_BYTES)
    except Broken as error:
        return Read((), (NotRun(name, "", "broken", str(error)),))
    told: list[dict[str, Any]] = []
    unsupported: list[NotRun] = []
    for document in found:
        try:
            told += _anew(document)
        except Unsupported as error:
            title = str(document.get("title") or "")[:200]
            unsupported.append(NotRun(name, title, "unsupported", str(error)))
    rules = tuple(_of_document(name, document, values) for document in told)
    return Read(tuple(told), (*rules, *unsupported))


def _anew(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The document, or what it is written anew as."""
    put_away = str(document.get("status") or "").lower() in _NOT_IN_USE
    return [document] if put_away or not legacy.counts(document) else legacy.written_anew(document)


def _of_document(name: str, document: dict[str, Any], values: Values) -> Rule | Filter | NotRun:
    title = str(document.get("title") or "")[:200]
    if "correlation" in document:
        reason = "a correlation of rules over time, which a single record can't fulfil"
        return NotRun(name, title, "correlation", reason)
    try:
        read = _filter if "filter" in document else _rule
        return read(name, document, values)
    except Unsupported as error:
        return NotRun(name, title, "unsupported", str(error))
    except Broken as error:
        return NotRun(name, title, "broken", str(error))


def _filter(name: str, document: dict[str, Any], values: Values) -> Filter:
    told = document["filter"]
    if not isinstance(told, dict) or "condition" not in told or "rules" not in told:
        raise Broken("not a whole Sigma filter: it needs rules, a selection and a condition")
    if "not" not in str(told["condition"]).lower().split():
        raise Unsupported(
            "its condition says what is left out, where Sigma's own tools want what is left in:"
            f" write 'not ({told['condition']})'"
        )
    wanted = told["rules"] if isinstance(told["rules"], list) else [told["rules"]]
    detection = {key: value for key, value in told.items() if key != "rules"}
    # A filter is read as a rule is, so that its selections mean the same.
    about: dict[str, Any] = {
        key: document[key] for key in ("id", "title", "status", "logsource") if key in document
    }
    read = _rule(name, {**about, "detection": detection}, values)
    rules = tuple(str(one).lower() if _is_uuid(str(one)) else str(one) for one in wanted)
    is_for_any = not rules or [one.lower() for one in rules] == [ANY]
    return Filter(
        read.id, read.title, name, (ANY,) if is_for_any else rules, read.source, read.node
    )


def _is_uuid(text: str) -> bool:
    return bool(_UUID.fullmatch(text))


def _rule(name: str, document: dict[str, Any], values: Values) -> Rule:
    _refuse(document)
    try:
        detection = placeholders.written_out(_renamed(document["detection"]), values)
        bounds.check(detection)
        parsed = SigmaRule.from_dict({**document, "detection": detection}, policy=_POLICY)
        node = compiled(parsed)
    except (Unsupported, Broken):
        raise
    except SigmaRegularExpressionError as error:
        told = str(error)[:300]
        raise Unsupported(f"RE2 can't run its pattern in linear time: {told}") from None
    except SigmaConditionError as error:
        raise Broken(f"its condition can't be read: {str(error)[:300]}") from None
    except SigmaError as error:
        if type(error) is SigmaModifierError:
            # Its kinds are values that a known modifier can't take.
            raise Unsupported(f"{str(error)[:300]}, which is not run here") from None
        raise Broken(f"not a whole Sigma rule: {str(error)[:300]}") from None
    except RecursionError:
        raise Broken("its condition is nested too deeply") from None
    except Exception as error:
        # pySigma trusts a document's types in places: what it stumbles over is no rule.
        reason = f"not a whole Sigma rule: {type(error).__name__}: {str(error)[:200]}"
        raise Broken(reason) from None
    source = parsed.logsource
    return Rule(
        id=str(parsed.id) if parsed.id else f"{name}#{parsed.title}",
        title=str(parsed.title),
        level=parsed.level.name.lower() if parsed.level else "unknown",
        source=LogSource(
            (source.product or "").lower(),
            (source.service or "").lower(),
            (source.category or "").lower(),
        ),
        node=node,
        file=name,
        status=parsed.status.name.lower() if parsed.status else "",
        description=str(parsed.description or ""),
        author=str(parsed.author or ""),
        techniques=tuple(
            tag.name.upper()
            for tag in parsed.tags
            if tag.namespace == "attack" and _is_id(tag.name)
        ),
        false_positives=tuple(map(str, parsed.falsepositives or ())),
        name=str(document.get("name") or ""),
    )


def _renamed(detection: Any) -> Any:
    """The detection with modifiers by the names that pySigma knows."""
    if isinstance(detection, list):
        return [_renamed(one) for one in detection]
    if not isinstance(detection, dict):
        return detection
    return {
        "|".join(_ALIASES.get(part, part) for part in str(key).split("|")): _renamed(value)
        for key, value in detection.items()
    }


def _refuse(document: dict[str, Any]) -> None:
    """Say what pySigma would tell less clearly, or would take too long over."""
    missing = [part for part in ("title", "logsource", "detection") if part not in document]
    if missing:
        raise Broken(f"not a Sigma rule: it has no {' and no '.join(missing)}")
    if str(document.get("status") or "").lower() in _NOT_IN_USE:
        raise Unsupported(f"{_PUT_AWAY}{str(document['status']).lower()}")
    detection = document["detection"]
    if not isinstance(detection, dict) or "condition" not in detection:
        raise Broken("its detection has no condition")
    conditions = detection["condition"]
    conditions = conditions if isinstance(conditions, list) else [conditions]
    if "timeframe" in detection:
        raise Unsupported("it has a timeframe and counts nothing in it: leave the timeframe out")
    if _CAPITALS.search(" ".join(map(str, conditions))):
        raise Broken("its condition has AND, OR or NOT: write them in small letters")


def _is_id(name: str) -> bool:
    return name[:1].lower() == "t" and name[1:5].isdigit()
