"""On public records with a label, our rules fire where they should, and are silent elsewhere.

A label belongs to one purpose; a negative record of one is often a positive of another. So what
counts for a label are the rules of its purpose. Beside it is printed what any rule says: of level
low or higher, which a technician sees, and of medium or higher, which wakes somebody. Rules of
level informational say what happened, for correlations and hunting; they count for nothing.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.detection import loading
from integrations.detection.engine import Engine
from tests.integrations.detection.labels import LABELS

RECORDS = Path(__file__).resolve().parents[4] / "shared" / "records"

pytestmark = pytest.mark.skipif(
    not RECORDS.is_dir(), reason="the public labelled records are not beside the project"
)


def _labelled() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for file in sorted(RECORDS.rglob("*.ndjson")):
        for line in file.read_text(encoding="utf-8").splitlines():
            told = json.loads(line)
            if isinstance(told, dict) and "expected_match" in told:
                yield file.relative_to(RECORDS).parts[0], file.stem, told


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def test_the_matrix_of_labelled_records() -> None:
    engine = Engine(loading.load(loading.OUR_RULES))
    own: dict[str, Counter[tuple[bool, bool]]] = {}
    beside: dict[str, Counter[tuple[bool, str]]] = {}
    for vendor, label, told in _labelled():
        matches = engine.detect(told["log"])
        fired = {match.rule.file.removesuffix(".yml") for match in matches}
        is_hit = bool(fired & set(LABELS[label]))
        expected = bool(told["expected_match"])
        own.setdefault(vendor, Counter())[expected, is_hit] += 1
        levels = {match.rule.level for match in matches}
        counted = beside.setdefault(vendor, Counter())
        counted[expected, "low"] += bool(levels - {"informational"})
        counted[expected, "medium"] += bool(levels - {"informational", "low"})
        if is_hit is not expected:
            print(f"{'missed' if expected else 'false '}  {label}: {told['test']}")
    print(
        f"{'vendor':22}{'fired':>12}{'silent':>12}   any rule, low or higher: fired, not silent;"
        " medium or higher: fired, not silent"
    )
    for vendor, seen in own.items():
        any_rule = beside[vendor]
        print(
            f"{vendor:22}"
            f"{seen[True, True]:>6} /{seen[True, True] + seen[True, False]:>4}"
            f"{seen[False, False]:>7} /{seen[False, False] + seen[False, True]:>4}"
            f"{any_rule[True, 'low']:>12},{any_rule[False, 'low']:>4};"
            f"{any_rule[True, 'medium']:>6},{any_rule[False, 'medium']:>4}"
        )
    total = sum(own.values(), Counter())
    assert _share(total[True, True], total[True, True] + total[True, False]) >= 0.9
    assert _share(total[False, True], total[False, True] + total[False, False]) <= 0.05
