"""A new connector is whole from the first minute: linted, typed, and through the suite."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from integrations import scaffold
from integrations.errors import ConnectionMisconfigured

ROOT = Path(__file__).resolve().parents[3]
PARTS = ("bench", "bootstrap", "integrations", "msp", "playbooks", "templates", "tenants", "tests")
FILES = ("manage.py", "pyproject.toml", "README.md", "Makefile")
NAME = "acme_edr"


def copied(target: Path) -> Path:
    """The source tree without its history and state."""
    for part in PARTS:
        shutil.copytree(ROOT / part, target / part)
    for name in FILES:
        shutil.copy(ROOT / name, target / name)
    return target


def run(tree: Path, *arguments: str) -> str:
    """Run Python in a tree; what it said, or AssertionError with that."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tree, capture_output=True, text=True,
        env={**os.environ, "HOLDFAST_VAR": str(settings.VAR_DIR)},
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


@pytest.mark.longest
@pytest.mark.process
def test_a_new_connector_passes_lint_and_the_conformance_suite(tmp_path) -> None:
    tree = copied(tmp_path)
    said = run(tree, "manage.py", "connector", "new", NAME, "--title", "Acme EDR")
    assert f"integrations/connectors/{NAME}/manifest.py" in said
    run(tree, "-m", "ruff", "check", ".")
    run(tree, "-m", "ruff", "format", "--check", ".")
    # What `make lint` found out of the rest is still true.
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", tree / ".mypy_cache")
    run(tree, "-m", "mypy", "-p", f"integrations.connectors.{NAME}",
        "-p", f"integrations.simulators.{NAME}")  # fmt: skip
    said = run(tree, "-m", "pytest", "tests/integrations/conformance",
               f"tests/integrations/{NAME}", "-k", NAME)  # fmt: skip
    assert " failed" not in said


def test_the_name_is_checked_and_nothing_is_written_over(tmp_path) -> None:
    for name in ("Acme", "1st", "a-b", "../x", "base", ""):
        with pytest.raises(ConnectionMisconfigured, match="no name"):
            scaffold.write(tmp_path, name)
    (tmp_path / "integrations/connectors/taken").mkdir(parents=True)
    with pytest.raises(ConnectionMisconfigured, match="something already"):
        scaffold.write(tmp_path, "taken")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_the_documentation_says_is_written_is_written() -> None:
    told = (ROOT / "docs/connectors.md").read_text()
    for part, folder in scaffold._FOLDERS.items():
        for template in (ROOT / "integrations/scaffold" / part).glob("*.py.txt"):
            name = template.name.removesuffix(".txt")
            if part != "simulator" and name != "__init__.py":
                assert f"{folder.format(NAME)}/{name}" in told, name
