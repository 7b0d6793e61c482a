"""The rules of engagement as fields of a form, and the document that a filled-in form makes.

The same form is for a client's rules, which may be laid on the MSP-wide ones (`base`), and for the
MSP-wide ones themselves (without a `base`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import yaml
from django.utils.text import slugify

from msp.console import rules_choices, rules_waits
from msp.console.rules_waits import number
from playbooks import yaml_reader
from playbooks.engagement import Engagement, is_override
from playbooks.errors import PlaybookError
from tenants.storable import storable

NEW: Mapping[str, Any] = {"extends": "msp"}
_MOST_ROWS = 200
_BLANK_ROWS = 2
_RULE_FIELDS = ("id", "title", "actions", "when", "tier")
_FREEZE_FIELDS = ("title", "from", "to", "weekdays", "hours", "except")
# The database keeps no order of keys; people read them in this one.
_ORDER = (
    "extends", "default", "without", "rules", "freezes", "budgets", "canary_above", "approvals",
)  # fmt: skip
_LISTS = ("actions", "weekdays", "except")
_NAME = "The rules"
_PLACED = re.compile(r"\[([^]]*)\]: (.*)", re.DOTALL)


def fields_of(
    document: Mapping[str, Any],
    base: Engagement | None,
    placed: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return what the form shows for a document, with empty rows to add to.

    `placed`: what is wrong with which row, as `by_place` tells it.
    """
    without = document.get("without") or []
    return {
        "extends": is_override(document),
        "default": document.get("default", ""),
        "msp_rules": [(rule, rule.id not in without) for rule in base.rules] if base else [],
        "rules": [
            _rule_row(i, row) | {"problems": placed.get(f"rules/{i}", [])}
            for i, row in enumerate(_with_blank(document.get("rules")))
        ],
        "freezes": [
            _freeze_row(i, row) | {"problems": placed.get(f"freezes/{i}", [])}
            for i, row in enumerate(_with_blank(document.get("freezes")))
        ],
        "targets": rules_choices.TARGETS.items(),
        "budgets": [
            (rules_choices.actions([pattern] if pattern else []), count)
            for pattern, count in [
                *(document.get("budgets") or {}).items(),
                *([("", "")] * _BLANK_ROWS),
            ]
        ],
        "canary_above": document.get("canary_above", ""),
        "waits": rules_waits.rows(document, base),
    }


def problem_at(*path: str | int) -> str:
    """Return where in the form a problem stands; `by_place` takes it out of the message again."""
    return f"[{'/'.join(map(str, path))}]"


def by_place(problems: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the problems without their places, and those of each row by its place: ``rules/2``."""
    told: list[str] = []
    placed: dict[str, list[str]] = {}
    for problem in problems:
        found = _PLACED.fullmatch(problem)
        told.append(found[2] if found else problem)
        if found:
            placed.setdefault(found[1], []).append(found[2])
    return told, placed


def as_yaml(document: Mapping[str, Any]) -> str:
    """Write a document as YAML; its version is given when it is kept."""
    told = {key: _in_order(document[key]) for key in _ORDER if key in document}
    told |= {key: value for key, value in document.items() if key not in (*_ORDER, "version")}
    return str(yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=95))


def from_yaml(text: str) -> dict[str, Any]:
    """Read a document; PlaybookError with line and column where it can't be."""
    document = yaml_reader.parse_new(text, _NAME)
    if not isinstance(document.data, dict):
        raise PlaybookError([f"{_NAME}: write a mapping with `extends: msp` and `rules:`"])
    told: dict[str, Any] = storable(document.data)
    return told


def from_fields(
    posted: Mapping[str, Any],
    shown: list[str],
    before: Mapping[str, Any],
    base: Engagement | None,
) -> dict[str, Any]:
    """Return the document that the form makes. `shown`: ids of MSP rules that stay switched on.

    A wait that was left as the form showed it stays as it was `before`.
    """
    told: dict[str, Any] = {}
    waits = rules_waits.from_fields(posted, before, base)
    if waits:
        told["approvals"] = waits
    if base is not None and posted.get("extends"):
        told["extends"] = "msp"
        own = {posted.get(f"rule-{i}-id") for i in _indices(posted, "rule-{}-title")}
        without = [rule.id for rule in base.rules if rule.id not in shown and rule.id not in own]
        if without:
            told["without"] = without
    if posted.get("default"):
        told["default"] = posted["default"]
    rules = [
        _in_the_order_before(row, before)
        for i in _indices(posted, "rule-{}-title")
        if (row := _rule(posted, i))
    ]
    if rules:
        told["rules"] = _with_ids(rules)
    freezes = [row for i in _indices(posted, "freeze-{}-title") if (row := _freeze(posted, i))]
    if freezes:
        told["freezes"] = freezes
    budgets = {
        pattern: number(posted.get(f"budget-{i}-count", ""))
        for i in _indices(posted, "budget-{}-action")
        if (pattern := posted[f"budget-{i}-action"].strip())
    }
    if budgets:
        told["budgets"] = budgets
    if posted.get("canary_above", "").strip():
        told["canary_above"] = number(posted["canary_above"])
    return told


def _in_order(value: Any) -> Any:
    """Return the entries of a list with their keys in the order of the form."""
    if not isinstance(value, list):
        return value
    names = (*_RULE_FIELDS, *_FREEZE_FIELDS)
    return [
        dict(sorted(one.items(), key=lambda item: (item[0] not in names, _place(names, item[0]))))
        if isinstance(one, dict)
        else one
        for one in value
    ]


def _place(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else 0


def _with_blank(told: Any) -> list[dict[str, Any]]:
    return [*(told or []), *({} for _ in range(_BLANK_ROWS))]


def _rule_row(i: int, row: Mapping[str, Any]) -> dict[str, Any]:
    target, when = rules_choices.target_of(_text(row.get("when", "")))
    return {
        "id": _text(row.get("id", "")),
        "title": _text(row.get("title", "")),
        "tier": _text(row.get("tier", "")),
        "actions_name": f"rule-{i}-actions",
        "actions": rules_choices.actions(rules_choices.listed(row.get("actions"))),
        "target": target,
        "when": when,
    }


def _freeze_row(i: int, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: _text(row.get(name, "")) for name in ("title", "from", "to", "hours")},
        "weekdays": rules_choices.weekdays(rules_choices.listed(row.get("weekdays"))),
        "except_name": f"freeze-{i}-except",
        "excepted": rules_choices.actions(rules_choices.listed(row.get("except"))),
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _indices(posted: Mapping[str, Any], pattern: str) -> Iterator[int]:
    for i in range(_MOST_ROWS):
        if pattern.format(i) in posted:
            yield i


def _row(posted: Mapping[str, Any], prefix: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the filled-in fields of one row, lists taken apart at commas and line ends."""
    row: dict[str, Any] = {}
    for name in names:
        # Browsers end the lines of a text area in their own way.
        value = storable(str(posted.get(f"{prefix}-{name}", "")).replace("\r\n", "\n").strip())
        if value:
            row[name] = _parts(value) if name in _LISTS else value
    return row


def _parts(text: str) -> list[str]:
    return [part for one in text.replace("\n", ",").split(",") if (part := one.strip())]


def _rule(posted: Mapping[str, Any], i: int) -> dict[str, Any]:
    """Return one rule of the form; {} for a row without a title, which is thereby taken out."""
    row = _row(posted, f"rule-{i}", _RULE_FIELDS)
    target = str(posted.get(f"rule-{i}-target", ""))
    if when := rules_choices.condition_of(target, row.get("when", "")):
        row["when"] = when
    return row if "title" in row else {}


def _in_the_order_before(rule: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Leave the actions of a rule in the order that they have, where the same ones are chosen."""
    kept = [row for row in before.get("rules") or [] if row.get("id") == rule.get("id")]
    before_it = rules_choices.listed(kept[0].get("actions")) if kept else []
    if before_it and set(before_it) == set(rule.get("actions", [])):
        rule["actions"] = kept[0]["actions"]
    return rule


def _freeze(posted: Mapping[str, Any], i: int) -> dict[str, Any]:
    row = _row(posted, f"freeze-{i}", _FREEZE_FIELDS)
    if "weekdays" in row:
        row["weekdays"] = [day.lower() for day in row["weekdays"]]
    return row if "title" in row else {}


def _with_ids(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the rules without an id one made of the title, different from all others."""
    taken = {rule["id"] for rule in rules if "id" in rule}
    named = []
    for rule in rules:
        wanted = rule.get("id") or slugify(rule["title"])[:60] or "rule"
        if "id" not in rule:
            number = 2
            first = wanted
            while wanted in taken:
                wanted, number = f"{first}-{number}", number + 1
            taken.add(wanted)
        named.append({**rule, "id": wanted})
    return named
