"""`manage.py demo --once` does the whole work on a state directory of its own, twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = {
    "tenants", "records_in", "findings", "duplicates", "quarantined", "cases",
    "closed_with_proof", "awaiting_approval", "actions_verified", "actions_failed", "ledger_ok",
    "seats", "reports", "onboarded", "merged_by_hand", "known_good_uses", "known_good_proposed",
    "questions_answered", "questions_waiting", "insufficient_data", "shadow_hits", "sightings",
    "siem_gaps", "second_looks",
}  # fmt: skip

# What people and other products do in the demo: a second run finds it done.
DONE_ONCE = {
    "merged_by_hand": 1, "known_good_uses": 1, "known_good_proposed": 1, "questions_answered": 1,
    "questions_waiting": 2, "shadow_hits": 13, "sightings": 3, "siem_gaps": 9,
}  # fmt: skip


def _demo(var: Path) -> dict:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_")}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", "--once"],
        cwd=ROOT,
        env=environment | {"HOLDFAST_VAR": str(var)},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads((var / "demo" / "summary.json").read_text())


@pytest.mark.longest
@pytest.mark.process
def test_the_demo_holds_and_can_be_run_again(tmp_path) -> None:
    first = _demo(tmp_path)
    assert first.keys() == EXPECTED
    assert (first["tenants"], first["onboarded"], first["ledger_ok"]) == (3, 3, True)
    assert (first["closed_with_proof"], first["awaiting_approval"]) == (8, 3)
    assert (first["actions_verified"], first["actions_failed"]) == (6, 0)
    assert (first["quarantined"], first["cases"]) == (1, 15)
    # Nine, twelve and five people, and an administrator at each client.
    assert first["seats"] == 9 + 12 + 5 + 3
    assert {name: first[name] for name in DONE_ONCE} == DONE_ONCE
    assert first["insufficient_data"] >= 1
    # All closed cases of one client, and some of the others'.
    assert first["second_looks"] >= 4
    second = _demo(tmp_path)
    for count in ("findings", "cases", "actions_verified", "seats", "quarantined", *DONE_ONCE):
        assert second[count] == first[count], count
