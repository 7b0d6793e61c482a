"""Playbooks that people name on the command line: by file, by id and version, or for a client."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msp.management.files import read_text
from playbooks import cacao, language, library, yaml_reader
from playbooks.adoption import activation, importing
from playbooks.errors import PlaybookError
from playbooks.language import Playbook
from tenants import scope
from tenants.errors import HoldfastError
from tenants.selectors import tenant_by_slug

_LARGEST_JSON = 32 * 1024 * 1024
_YAML = (".yaml", ".yml")


def add_choice(parser: argparse.ArgumentParser, *, is_one: bool = True) -> None:
    """Let a command name a playbook."""
    parser.add_argument("id", nargs=None if is_one else "?", help="its id, or a .yaml file")
    parser.add_argument("--playbook-version", metavar="VERSION", default="", help="or its hash")
    parser.add_argument("--tenant", metavar="SLUG", help="the version and rules of this client")


def chosen(options: Mapping[str, Any]) -> Playbook:
    """Return the playbook that a command names; HoldfastError says what there is instead.

    A file is checked first. By id it is the version named, or the one that holds for the client
    named, or the one that comes with Holdfast, or else the newest that was imported.
    """
    name, version = options["id"], options["playbook_version"]
    path = Path(name)
    if path.suffix in (*_YAML, ".json"):
        return language.load_checked(*source_of(path))
    if version:
        return language.load(importing.find_version(name, version).source, name)
    if options["tenant"]:
        with scope.tenant(tenant_by_slug(options["tenant"]).id):
            return activation.in_force(name).playbook
    return importing.newest(name)


def source_of(path: Path) -> tuple[str, str]:
    """Return a file's YAML, made of it where it is CACAO, and the file's name for messages."""
    if path.suffix != ".json":
        return read_text(path, yaml_reader.LARGEST_BYTES), str(path)
    return cacao.from_json(read_text(path, _LARGEST_JSON), str(path)), str(path)


def check_import(path: Path) -> importing.Checked:
    """Check a file as at an import; PlaybookError with the places in that file."""
    made, name = source_of(path)
    try:
        return importing.check(made, name)
    except PlaybookError as error:
        if path.suffix != ".json":
            raise
        text = read_text(path, _LARGEST_JSON)
        raise PlaybookError(cacao.in_json(error.problems, made, text, name)) from None


def lint(path: Path | None) -> tuple[int, list[str]]:
    """Return how many playbooks were looked at in a file, a folder or the library, and all that is
    wrong with them.
    """
    if path is None:
        sources = [(one.source, f"{one.id}.yaml") for one in library.playbooks().values()]
    else:
        sources = [_readable(file) for file in _files(path)]
    problems: list[str] = []
    found: dict[str, tuple[Playbook, str, str]] = {}
    for text, name in sources:
        try:
            playbook = language.load_checked(text, name)
        except PlaybookError as error:
            problems += error.problems
            continue
        if playbook.id in found:
            problems.append(f"{name}:1:1: {found[playbook.id][2]} has the id {playbook.id!r} too")
        found[playbook.id] = (playbook, text, name)
    kinds = {playbook_id: playbook.kind for playbook_id, (playbook, _, _) in found.items()}
    for playbook, text, name in found.values():
        problems += importing.dangling(playbook, text, name, kinds)
    return len(sources), problems


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix in _YAML and file.is_file())
    if not files:
        raise HoldfastError(f"{path} has no file that ends in .yaml or .yml.")
    return files


def _readable(path: Path) -> tuple[str, str]:
    return read_text(path, yaml_reader.LARGEST_BYTES), str(path)
