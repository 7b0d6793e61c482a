"""What each playbook of the library takes a technician by hand: declared minutes, checked."""

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

import yaml

from playbooks import library
from playbooks.errors import PlaybookError

_PATH = Path(__file__).with_name("baselines.yaml")
_MOST = 480


@cache
def in_force() -> Mapping[str, int]:
    """Return the minutes by playbook id, as they come with Holdfast."""
    return load(_PATH.read_text(), library.playbooks())


def load(text: str, known: Collection[str]) -> dict[str, int]:
    """Return the minutes of each `known` playbook; PlaybookError names each line that is wrong."""
    try:
        told = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PlaybookError([f"The baselines are no YAML: {error}"]) from None
    if not isinstance(told, dict):
        raise PlaybookError(["The baselines have to be lines such as “isolate-endpoint: 10”."])
    problems = [f"{name}: there is no such playbook." for name in told if name not in known]
    problems += [f"{name}: say its minutes." for name in known if name not in told]
    problems += [
        f"{name}: the minutes have to be a whole number from 1 to {_MOST}."
        for name, minutes in told.items()
        if type(minutes) is not int or not 1 <= minutes <= _MOST
    ]
    if problems:
        raise PlaybookError(problems)
    return told
