"""A plan and a verdict depend on nothing but what they are made of.

Real processes with other hash seeds, languages and time zones answer beside this one, on facts that
hypothesis makes up. There, the clock and chance are out of order once everything is loaded.
"""

import copy
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations import catalog
from playbooks import engagement, library, planner, verdicts
from playbooks.expressions.given import merged
from tenants.canonical import canonical_json, sha256_of
from tenants.errors import HoldfastError
from tests.examples import examples

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "a C machine in Apia": {
        "PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Pacific/Apia", "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    },
    "a Turkish one in Kathmandu": {
        "PYTHONHASHSEED": "4242", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8",
        "TZ": "Asia/Kathmandu",
    },
    "one of chance": {"PYTHONHASHSEED": "random", "LC_ALL": "C.UTF-8", "TZ": "America/St_Johns"},
}  # fmt: skip
SERVER = """
import json, os, random, sys, time, uuid
from playbooks import engagement, library, planner, verdicts
from tenants.canonical import sha256_of
from tenants.errors import HoldfastError
def out_of_order(*arguments, **more):
    raise AssertionError("a plan looked at the clock, or at chance")
time.time = time.time_ns = time.monotonic = time.perf_counter = out_of_order
random.random = random.Random = os.urandom = uuid.uuid4 = out_of_order
library.playbooks()
for line in sys.stdin:
    told = json.loads(line)
    playbook = library.get(told["playbook"])
    try:
        if playbook.kind == "investigation":
            answer = sha256_of(verdicts.decide(playbook, told["facts"]).as_json())
        else:
            rules = engagement.load_engagement(told["rules"])
            answer = sha256_of(planner.plan(playbook, told["facts"], rules))
    except HoldfastError as error:
        answer = str(error)
    print(json.dumps(answer), flush=True)
"""


class Machine:
    """A process elsewhere that plans and decides for us."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip

    def answer(self, question: dict[str, Any]) -> str:
        """Return the hash of the plan or verdict, or why there is none."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return str(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Machine]]:
    """Start one process for each place elsewhere."""
    started = [Machine(environment) for environment in ELSEWHERE.values()]
    yield started
    for machine in started:
        machine.close()


def _shuffled(value: Any, chance: random.Random) -> Any:
    """Return the same content, with the keys of every object and the items of every list moved."""
    if isinstance(value, dict):
        keys = chance.sample(sorted(value), len(value))
        return {key: _shuffled(value[key], chance) for key in keys}
    if isinstance(value, list):
        return [_shuffled(item, chance) for item in chance.sample(value, len(value))]
    return value


ITEMS = st.fixed_dictionaries(
    {"external_id": st.text("abcäÖ😀\ufb33İı", min_size=1, max_size=4)},
    optional={
        "name": st.text(max_size=6), "is_suspicious": st.booleans(), "is_enabled": st.booleans(),
        "is_recent": st.booleans(), "is_removable": st.booleans(), "risk": st.integers(0, 99),
        "more": st.lists(st.text("xyzI", max_size=3), max_size=3),
        "score": st.floats(allow_nan=False, allow_infinity=False),
    },
)  # fmt: skip
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "hour": st.integers(0, 23),
        "risk": st.integers(0, 100),
        "account": st.fixed_dictionaries(
            {},
            optional={
                "display_name": st.text(max_size=8), "is_vip": st.booleans(),
                "is_privileged": st.booleans(), "is_enabled": st.booleans(),
                "roles": st.lists(st.sampled_from(["İdare", "a", "Z", "Ä", "é"]), max_size=4),
            },
        ),
        "verdict": st.fixed_dictionaries(
            {"value": st.sampled_from(["true_positive", "suspicious"]),
             "confidence": st.sampled_from(["high", "low"])}
        ),
        "evidence": st.fixed_dictionaries(
            {"available": st.just(True)},
            optional={key: st.lists(ITEMS, max_size=5) for key in ("rules", "methods", "items")},
        ).flatmap(
            lambda answer: st.dictionaries(
                st.sampled_from(["inbox_rules", "methods", "grants", "copies"]), st.just(answer)
            )
        ),
    },
)  # fmt: skip
RULES = st.lists(
    st.sampled_from(
        [
            {"id": "vip", "title": "V", "tier": "client", "when": "target.is_vip"},
            {"id": "late", "title": "L", "tier": "technician", "when": "hour >= 18 || hour < 8"},
            {"id": "risk", "title": "R", "tier": "second_technician", "when": "risk > 90"},
            {"id": "wide", "title": "W", "tier": "forbidden", "when": "objects > 3"},
            {"id": "bad", "title": "B", "tier": "automatic", "when": "account.never_told"},
            {"id": "mail", "title": "M", "tier": "client", "actions": ["mailbox.*"]},
        ]
    ),
    max_size=4,
    unique_by=lambda rule: rule["id"],
)


@pytest.mark.process
@given(
    playbook_id=st.sampled_from(sorted(library.playbooks())),
    change=CHANGES,
    rules=RULES,
    case=st.integers(0, 20),
    seed=st.integers(0, 10_000),
)
@settings(
    max_examples=examples(150),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_order_process_hash_seed_language_and_time_zone_change_nothing(
    machines: list[Machine], playbook_id, change, rules, case, seed
) -> None:
    playbook = library.get(playbook_id)
    test = playbook.tests[case % len(playbook.tests)]
    facts = merged(merged(playbook.example, test.get("change", {})), change)
    policy = {"version": 1, "default": "automatic", "rules": rules, "canary_above": 2}
    here = _here(playbook_id, facts, policy)
    for number, machine in enumerate(machines):
        moved = _shuffled(facts, random.Random(seed + number))
        told = {"playbook": playbook_id, "facts": moved, "rules": policy}
        assert machine.answer(told) == here, (number, told)


def _here(playbook_id: str, facts: dict[str, Any], policy: dict[str, Any]) -> str:
    playbook = library.get(playbook_id)
    before = copy.deepcopy(facts)
    try:
        if playbook.kind == "investigation":
            found = verdicts.decide(playbook, facts).as_json()
        else:
            found = planner.plan(playbook, facts, engagement.load_engagement(policy))
    except HoldfastError as error:
        return str(error)
    finally:
        assert facts == before, "the facts were changed"
    assert json.loads(canonical_json(found)) == json.loads(json.dumps(found))
    return sha256_of(found)


@pytest.mark.process
def test_every_playbook_is_planned_or_decided_the_same_elsewhere(machines: list[Machine]) -> None:
    policy = {"version": 1, "default": "automatic", "rules": []}
    planned = 0
    for playbook in library.playbooks().values():
        here = _here(playbook.id, dict(playbook.example), policy)
        told = {"playbook": playbook.id, "facts": playbook.example, "rules": policy}
        assert [machine.answer(told) for machine in machines] == [here] * len(machines)
        asks_only = all(catalog.get(step.uses).is_read_only for step in playbook.steps)
        planned += len(here) == 64 and not asks_only
    assert planned > 15, "too few plans to say anything"
