"""Conditions in Splunk's search language, for ``where``: exact, and with regard to case.

The `search` command reads `*` in every value, ignores case and can't be told otherwise, so each
test is an expression of eval. Its regular expressions are PCRE, which reads what RE2 reads. Source:
https://help.splunk.com/en/splunk-enterprise/spl-search-reference (evaluation functions).
"""

import json
import re

from integrations.detection.errors import Unsupported
from integrations.siem.queries.places import Places
from integrations.siem.queries.tree import Many, Not, Test, Tree

_PATTERNS = {"contains": "{}", "starts": "^{}", "ends": "{}$"}


def condition(tree: Tree, places: Places) -> str:
    """Return the expression for ``where``; Unsupported where a field has no place."""
    match tree:
        case Not():
            # What is null makes no comparison true, nor its opposite.
            return f"NOT coalesce({condition(tree.item, places)}, false())"
        case Many():
            parts = [condition(one, places) for one in tree.items]
            return _joined(parts, " AND " if tree.all_of else " OR ")
    tests = [_test(f"'{field}'", tree) for field in places.of(tree.field)]
    return _joined(tests, " AND " if tree.way == "absent" else " OR ")


def _test(field: str, test: Test) -> str:
    flags = "s" if test.is_cased else "is"
    match test.way:
        case "is" if test.is_cased:
            return f"{field}={quoted(test.value)}"
        case "is":
            return f"lower({field})={quoted(test.value.lower())}"
        case "absent":
            return f'(isnull({field}) OR {field}="")'
        case "there":
            return f'(isnotnull({field}) AND {field}!="")'
        case "re":
            own = f"(?{test.flags})" if test.flags else ""
            return f"match({field}, {quoted(own + test.value)})"
        case "like":
            body = "".join(
                ".*" if part is None else "." if part == "" else re.escape(part)
                for part in test.parts
            )
            return f"match({field}, {quoted(f'(?{flags})^(?:{body})$')})"
        case "<" | "<=" | ">" | ">=":
            return f"tonumber({field}){test.way}{test.value}"
    if test.way in _PATTERNS:
        pattern = _PATTERNS[test.way].format(re.escape(test.value))
        return f"match({field}, {quoted(f'(?{flags}){pattern}')})"
    raise Unsupported(f"Splunk has nothing for {test.way!r}")


def _joined(parts: list[str], word: str) -> str:
    return parts[0] if len(parts) == 1 else f"({word.join(parts)})"


def quoted(text: str) -> str:
    """Return a text as a literal of eval."""
    if any(ord(sign) < 32 for sign in text):
        raise Unsupported("Splunk has no literal for a control character")
    return json.dumps(text, ensure_ascii=False)
