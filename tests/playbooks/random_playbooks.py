"""Playbooks as hypothesis makes them up: valid, and as odd as the language lets them be."""

from typing import Any

import yaml
from hypothesis import strategies as st

_CONDITIONS = [
    "account.is_enabled != false",
    "has(account.external_id) && tenant.slug != 'x'",
    "hour >= 8 && hour < 18",
    "account.display_name == 'Zoë \"the\" # boss: yes'",
    "case.findings.exists(f,\n  f.severity == 'high')",
]
_LISTS = ["case.findings", "case.findings\n.filter(f, f.severity == 'high')"]
_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]) | st.sampled_from("\n \t#:'\"&*!{}[]~"),
    max_size=12,
)
_WORDS = st.sampled_from(
    ["disable", "yes", "null", "1", "1.0", "2026-01-01", "<<", "=", "~", "ärger", "a: b", "- x",
     "0x10", "1e3", "0o17", "08", "...", "---", "back\\slash", "{}", "'", "#", "12:30:45", "on"]
) | _TEXTS.map(lambda text: f"x{text}y")  # fmt: skip
_NUMBERS = (
    st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
)
_VALUES = st.recursive(
    _NUMBERS | _TEXTS | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)
_MAPPINGS = st.dictionaries(_WORDS, _VALUES, max_size=4)
_ASKING: list[dict[str, Any]] = [
    {"uses": "identity.get_account"},
    {"uses": "identity.list_sign_ins", "with": {"days": 14}},
    {"uses": "identity.list_auth_methods", "with": {}},
    {"uses": "mailbox.list_inbox_rules", "target": "account"},
]
_ACTING: list[dict[str, Any]] = [
    {"uses": "identity.disable_sign_in"},
    {"uses": "identity.revoke_sessions", "target": "account"},
    {"uses": "mailbox.remove_forwarding", "target": "mailbox"},
    {
        "uses": "identity.remove_auth_method",
        "for_each": _LISTS[1],
        "at_most": 7,
        "target": {"external_id": "${ item.external_id }", "name": "${ item.name }"},
    },
    {
        "uses": "mailbox.disable_inbox_rule",
        "for_each": _LISTS[0],
        "target": {"external_id": "${ item.external_id }", "name": "Ünïcode 🦊"},
    },
]
_TIERS = ["automatic", "technician", "second_technician", "client", "forbidden"]
_INPUTS = [
    st.fixed_dictionaries(
        {"type": st.just(kind), "title": _WORDS},
        optional={"required": st.booleans(), "default": default},
    )
    for kind, default in (
        ("string", _TEXTS),
        ("boolean", st.booleans()),
        ("integer", st.integers(-5, 5)),
        ("list", st.lists(_WORDS, max_size=2)),
        ("object", _MAPPINGS),
    )
]
_NOT_ENOUGH = {
    "id": "not-enough",
    "when": True,
    "verdict": "insufficient_data",
    "confidence": "low",
    "because": "There was not enough.",
}


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _maybe(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict(keys))


@st.composite
def _steps(draw: st.DrawFn, kind: str) -> list[dict[str, Any]]:
    pool = {"investigation": _ASKING, "response": _ACTING}.get(kind, _ASKING + _ACTING)
    names = draw(st.lists(_WORDS, min_size=1, max_size=6, unique_by=lambda name: name.strip()))
    extra = _maybe(
        when=st.sampled_from([*_CONDITIONS, True]),
        on_failure=st.sampled_from(["stop", "continue", "roll_back"]),
        tier=st.sampled_from(_TIERS),
        why=st.sampled_from(["", "Because ${ account.display_name } said so.", " spaced\n\nout "]),
        timeout=st.sampled_from(["30s", "15m", "60m", "1h", "90s"]),
        no_reversal=st.sampled_from(["It can't be undone.", "Nothing: to undo"]),
    )
    steps: list[dict[str, Any]] = []
    for i, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:i]), unique=True)) if i else []
        told = {"id": name, **draw(st.sampled_from(pool)), **draw(extra)}
        if needs or draw(st.booleans()):
            told["needs"] = [needed.strip() for needed in needs]
        steps.append(told)
    # A step may need one that stands further down; only circles are refused.
    return draw(st.permutations(steps))


def _expected(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    names = ["verdict", "confidence", "rule"] if kind == "investigation" else ["tier", "steps"]
    names += ["results"] if kind == "routine" else []
    return st.dictionaries(st.sampled_from(names), _VALUES, min_size=1)


@st.composite
def _verdicts(draw: st.DrawFn) -> list[dict[str, Any]]:
    row = st.fixed_dictionaries(
        {
            "id": _WORDS,
            "when": st.sampled_from(_CONDITIONS),
            "verdict": st.sampled_from(["true_positive", "suspicious", "benign"]),
            "confidence": st.sampled_from(["high", "medium", "low"]),
            "because": st.sampled_from(["So it is.", '${ account.display_name }: "no"\n']),
        }
    )
    return [*draw(st.lists(row, max_size=3)), _NOT_ENOUGH]


def _results() -> st.SearchStrategy[list[dict[str, Any]]]:
    says = st.sampled_from(["So it is.", "Found: ${ tenant.slug }", "«ü»\n"])
    required = {"id": _WORDS, "says": says}
    optional = {
        "to_do": st.sampled_from(["Look at it.", "Ask ${ tenant.name } first."]),
        "when": st.sampled_from([*_CONDITIONS, True]),
        "for_each": st.sampled_from(_LISTS),
    }
    return st.lists(st.fixed_dictionaries(required, optional=optional), max_size=3)


@st.composite
def playbook_texts(draw: st.DrawFn) -> str:
    """Make up the text of one valid playbook."""
    kind = draw(st.sampled_from(["investigation", "response", "routine"]))
    texts = st.lists(_WORDS, max_size=3)
    told: dict[str, Any] = {
        "id": draw(_WORDS),
        "version": draw(st.sampled_from(["1", "1.10", "2026-01-01", 3, 1.5])),
        "kind": kind,
        "title": draw(_WORDS),
        "summary": draw(_WORDS),
        "steps": draw(_steps(kind)),
        "tests": draw(
            st.lists(
                st.fixed_dictionaries(
                    {"name": _WORDS, "expect": _expected(kind)},
                    optional={"change": _MAPPINGS, "rules": st.just([])},
                ),
                min_size=1,
                max_size=2,
            )
        ),
        "trigger": draw(st.sampled_from([*_CONDITIONS, True, "true"])),
        **({"verdicts": draw(_verdicts())} if kind == "investigation" else {}),
        **({"results": draw(_results())} if kind == "routine" else {}),
        **draw(
            _maybe(
                attack=st.lists(st.sampled_from(["T1078.004", "T1114"]), max_size=3),
                d3fend=st.lists(st.sampled_from(["D3-ANCI", "D3-AL"]), max_size=3),
                sources=st.lists(st.sampled_from(["https://a.example/b?c=d#e"]) | _WORDS) | texts,
                responses=st.dictionaries(st.sampled_from(["suspicious", "benign"]), texts),
                example=_MAPPINGS,
                inputs=st.dictionaries(
                    st.sampled_from(["leaver", "keep_mail", "Grüße, du"]),
                    st.one_of(_INPUTS),
                    max_size=2,
                ),
            )
        ),
    }
    names = draw(st.permutations(list(told)))
    remark = draw(st.sampled_from(["", "# a remark that stays\n"]))
    document = {name: told[name] for name in names}
    return remark + yaml.dump(document, Dumper=_WithoutAliases, sort_keys=False)
