"""Writes the folders of a new connector that passes the conformance suite from the first minute.

The files beside this one are templates: ``${id}``, ``${class_name}``, ``${title}``, ``${vendor}``
and ``${host}`` are filled in.
"""

import re
from pathlib import Path
from string import Template

from integrations.errors import ConnectionMisconfigured

_TEMPLATES = Path(__file__).parent
_FOLDERS = {
    "connector": "integrations/connectors/{}",
    "simulator": "integrations/simulators/{}",
    "tests": "tests/integrations/{}",
}
_REGISTRY = "integrations/registry.py"
_IMPORTS = re.compile(r"(?:^from (?:integrations|tests)\.\S+ import [^(\n]+\n)+", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")


def write(root: Path, name: str, *, title: str = "", vendor: str = "") -> list[Path]:
    """Write the connector `name` into the source tree at `root`; return the files written.

    Its line in the registry is among them. ConnectionMisconfigured where the name can't be used.
    """
    if not _NAME.fullmatch(name) or name == "base":
        raise ConnectionMisconfigured(
            f"{name!r} is no name for a connector: use lower-case letters, digits and _."
        )
    targets = {part: root / folder.format(name) for part, folder in _FOLDERS.items()}
    taken = [str(folder) for folder in targets.values() if folder.exists()]
    if taken:
        raise ConnectionMisconfigured(f"There is something already: {', '.join(taken)}.")
    words = title or name.replace("_", " ").title()
    told = {
        "id": name,
        "class_name": "".join(part.capitalize() for part in name.split("_")),
        "title": words,
        "vendor": vendor or words,
        "host": f"{name.replace('_', '-')}.example",
    }
    written = [
        path for part, folder in targets.items() for path in _fill(_TEMPLATES / part, folder, told)
    ]
    return [*written, _register(root / _REGISTRY, name)]


def _fill(templates: Path, folder: Path, told: dict[str, str]) -> list[Path]:
    written = []
    folder.mkdir(parents=True)
    for template in sorted(templates.glob("*.py.txt")):
        path = folder / template.name.removesuffix(".txt")
        text = Template(template.read_text("utf-8")).substitute(told)
        path.write_text(_IMPORTS.sub(_sorted, text), "utf-8")
        written.append(path)
    return written


def _sorted(imports: re.Match[str]) -> str:
    """Imports in the order that the linter wants, which depends on the connector's name."""
    lines = imports.group().splitlines(keepends=True)
    return "".join(sorted(lines, key=lambda line: line.split()[1]))


def _register(registry: Path, name: str) -> Path:
    text = registry.read_text("utf-8")
    upper = name.upper()
    imported = f"from integrations.connectors.{name}.manifest import MANIFEST as {upper}\n"
    imports = re.findall(r"^from integrations\.connectors\..*\n", text, re.MULTILINE)
    together = "".join(sorted([*imports, imported]))
    text = text.replace("".join(imports), together)
    text = text.replace("    # One line for each.\n", f"    # One line for each.\n    {upper},\n")
    registry.write_text(text, "utf-8")
    return registry
