"""The README speaks of commands, targets and files that exist, and of every command of ours."""

import argparse
import re
from pathlib import Path

from django.core.management import get_commands, load_command_class

from msp.pipeline import _ACTORS, STAGES

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
OURS = ("msp", "msp.staff", "msp.console", "msp.licensing", "msp.reports", "msp.api")


def test_every_command_of_ours_is_in_the_readme() -> None:
    ours = {name for name, app in get_commands().items() if app in OURS}
    missing = sorted(name for name in ours if not re.search(rf"`{name}\b", README))
    assert missing == []


def _subcommands(name: str) -> list[str]:
    parser = load_command_class("msp", name).create_parser("manage.py", name)
    [group] = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return list(group.choices)


def test_every_command_in_the_readme_exists() -> None:
    rows = re.findall(r"^\| (`.+?) \|", README, re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"`(\w+)[ `]", row)}
    known = set(get_commands()) | set(_subcommands("playbook"))
    assert sorted(word for word in named - known if word not in ("msp", "playbooks")) == []


def test_make_targets_and_pictures_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"make (\w+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for picture in re.findall(r"\]\(([^)]+\.png)\)", README):
        assert (ROOT / picture).exists(), picture


def test_every_stage_is_an_actor_of_the_same_name() -> None:
    # Sources of indicators are the MSP's own, and no work of a client.
    assert _ACTORS.keys() == STAGES.keys() | {"take_over", "source"}
