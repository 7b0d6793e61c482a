"""The mapping of a source's JSON: which of its fields is what. Pure.

A mapping is JSON: one rule, or a list of rules of which the first that fits a record reads it.

    {"kind": "finding", "when": {"type": ["alert", "incident"]},
     "uid": "id", "time": "created.at", "title": "summary",
     "severity": {"from": "priority", "values": {"P1": "high"}, "otherwise": "medium"},
     "entities": {"account": ["user.mail"], "ip": ["network.source"], "device": ["host"]}}

A field is read from a path (names with dots between; a number takes an item of a list) or from the
first of several; `values` translates what was found, `otherwise` stands for what was not, and
`{"value": …}` is always the same.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from integrations import ocsf
from integrations.errors import ConnectionMisconfigured
from integrations.values import text_of

KINDS: Final = ("finding", "event")
CLASSES: Final = {
    "authentication": ocsf.AUTHENTICATION,
    "account_change": ocsf.ACCOUNT_CHANGE,
    "api_activity": ocsf.API_ACTIVITY,
    "email_activity": ocsf.EMAIL_ACTIVITY,
    "process_activity": ocsf.PROCESS_ACTIVITY,
    "network_activity": ocsf.NETWORK_ACTIVITY,
    "dns_activity": ocsf.DNS_ACTIVITY,
    "other": ocsf.BASE_EVENT,
}
ENTITIES: Final = ("account", "device", "ip", "domain", "file", "message", "indicator")
_FIELDS: Final = (
    "uid", "time", "title", "description", "category", "severity", "status", "verdict", "link",
    "techniques", "actor", "target", "source_ip", "country", "activity", "success", "confidence",
    "first_activity", "last_activity", "updated",
)  # fmt: skip
_NEEDED: Final = {"finding": ("time", "title"), "event": ("time",)}
_RULE_KEYS: Final = frozenset({"kind", "class", "when", "entities", *_FIELDS})
_LARGEST: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """Where a field's value comes from."""

    paths: tuple[tuple[str, ...], ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    otherwise: str = ""

    def all(self, body: Any) -> list[str]:
        """Every text that is found, translated; `otherwise` where there is none."""
        found = [text for path in self.paths for text in map(text_of, _at(body, path)) if text]
        if self.values:
            found = [self.values.get(text, self.otherwise or text) for text in found]
        return found or ([self.otherwise] if self.otherwise else [])

    def first(self, body: Any) -> str:
        """The first text; "" where there is none."""
        return next(iter(self.all(body)), "")


@dataclass(frozen=True, slots=True)
class Rule:
    """How records of one form are read."""

    kind: str
    class_uid: int
    when: Mapping[tuple[str, ...], frozenset[str]]
    fields: Mapping[str, Source]
    entities: Mapping[str, tuple[Source, ...]]

    def fits(self, body: Any) -> bool:
        """Whether each field of `when` has one of its values."""
        return all(
            wanted & {text_of(found) for found in _at(body, path)}
            for path, wanted in self.when.items()
        )

    def text(self, name: str, body: Any) -> str:
        """A field's text."""
        source = self.fields.get(name)
        return source.first(body) if source else ""


def _at(body: Any, path: Iterable[str]) -> list[Any]:
    """The values at a path: of a list all items, unless the path says which."""
    places = [body]
    for name in path:
        following: list[Any] = []
        for place in places:
            if isinstance(place, Mapping) and name in place:
                following.append(place[name])
            elif isinstance(place, list) and name.isdecimal():
                following += place[int(name) : int(name) + 1]
            elif isinstance(place, list):
                following += [
                    one[name] for one in place if isinstance(one, Mapping) and name in one
                ]
        places = following
    return [item for one in places for item in _listed(one)]


def _listed(told: Any) -> list[Any]:
    return told if isinstance(told, list) else [told]


@lru_cache(maxsize=256)
def parse(text: str) -> tuple[Rule, ...]:
    """Read a connection's mapping; ConnectionMisconfigured says where it is wrong."""
    if len(text) > _LARGEST:
        raise ConnectionMisconfigured(f"mapping: longer than {_LARGEST // 1024} KB.")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConnectionMisconfigured(f"mapping: no JSON ({str(error)[:80]}).") from None
    rules = _listed(told)
    if not rules:
        raise ConnectionMisconfigured("mapping: there is no rule in it.")
    single = len(rules) == 1
    return tuple(
        _rule(rule, "mapping" if single else f"mapping[{number}]")
        for number, rule in enumerate(rules)
    )


def _rule(told: Any, place: str) -> Rule:
    if not isinstance(told, Mapping):
        raise ConnectionMisconfigured(f"{place}: a rule is an object.")
    unknown = sorted(set(told) - _RULE_KEYS)
    if unknown:
        known = ", ".join(sorted(_RULE_KEYS))
        raise ConnectionMisconfigured(f"{place}.{unknown[0]}: unknown. There are: {known}.")
    kind = told.get("kind", "finding")
    if kind not in KINDS:
        raise ConnectionMisconfigured(f"{place}.kind: {' or '.join(KINDS)}.")
    for name in _NEEDED[kind]:
        if name not in told:
            raise ConnectionMisconfigured(f"{place}.{name}: missing; a {kind} needs it.")
    return Rule(
        kind=kind,
        class_uid=_class(told, kind, place),
        when=_when(told.get("when", {}), f"{place}.when"),
        fields={name: _source(told[name], f"{place}.{name}") for name in _FIELDS if name in told},
        entities=_entities(told.get("entities", {}), f"{place}.entities"),
    )


def _class(told: Mapping[str, Any], kind: str, place: str) -> int:
    if kind == "finding":
        if "class" in told:
            raise ConnectionMisconfigured(f"{place}.class: only an event has one.")
        return ocsf.DETECTION_FINDING
    name = told.get("class", "other")
    if name not in CLASSES:
        raise ConnectionMisconfigured(f"{place}.class: one of {', '.join(CLASSES)}.")
    return CLASSES[name]


def _when(told: Any, place: str) -> dict[tuple[str, ...], frozenset[str]]:
    if not isinstance(told, Mapping):
        raise ConnectionMisconfigured(f"{place}: an object of paths, each with its values.")
    return {
        _path(path, place): frozenset(_text(one, f"{place}.{path}") for one in _listed(values))
        for path, values in told.items()
    }


def _entities(told: Any, place: str) -> dict[str, tuple[Source, ...]]:
    if not isinstance(told, Mapping) or not set(told) <= set(ENTITIES):
        raise ConnectionMisconfigured(f"{place}: an object with {', '.join(ENTITIES)}.")
    return {
        kind: tuple(_source(one, f"{place}.{kind}") for one in _listed(paths))
        for kind, paths in told.items()
    }


def _source(told: Any, place: str) -> Source:
    if isinstance(told, str | list):
        return Source(paths=_paths(told, place))
    if not isinstance(told, Mapping) or not told:
        raise ConnectionMisconfigured(f"{place}: a path, a list of paths, or an object.")
    if "value" in told:
        if len(told) > 1:
            raise ConnectionMisconfigured(f"{place}: beside value nothing else counts.")
        return Source(otherwise=_text(told["value"], place))
    if not set(told) <= {"from", "values", "otherwise"} or "from" not in told:
        raise ConnectionMisconfigured(f"{place}: from, and if wanted values and otherwise.")
    values = told.get("values", {})
    if not isinstance(values, Mapping):
        raise ConnectionMisconfigured(f"{place}.values: an object of texts.")
    return Source(
        paths=_paths(told["from"], f"{place}.from"),
        values={str(key): _text(value, f"{place}.values.{key}") for key, value in values.items()},
        otherwise=_text(told["otherwise"], f"{place}.otherwise") if "otherwise" in told else "",
    )


def _paths(told: Any, place: str) -> tuple[tuple[str, ...], ...]:
    return tuple(_path(one, place) for one in _listed(told))


def _path(told: Any, place: str) -> tuple[str, ...]:
    if not isinstance(told, str) or not all(told.split(".")):
        raise ConnectionMisconfigured(f"{place}: a path is names with dots between.")
    return tuple(told.split("."))


def _text(told: Any, place: str) -> str:
    found = text_of(told)
    if not found:
        raise ConnectionMisconfigured(f"{place}: a text or a number.")
    return found
