"""Collecting everything that is wrong with a file, each thing with its place."""

from collections.abc import Mapping
from typing import Any

from playbooks.errors import ConditionError
from playbooks.expressions.conditions import Condition, compile_condition, compile_yes_or_no
from playbooks.yaml_reader import Document


class Problems:
    """Collects what is wrong, each with its place."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._found: set[tuple[int, int, str]] = set()

    @property
    def found(self) -> list[str]:
        """Everything that is wrong, in the file's order and each once."""
        name = self.document.name
        return [f"{name}:{line}:{column}: {told}" for line, column, told in sorted(self._found)]

    def add(self, message: str, *path: str | int) -> None:
        """Add a problem of the value at `path`, or of the nearest thing around it."""
        self._found.add((*self.document.place(*path), message))

    def condition(self, text: Any, *path: str | int, is_yes_or_no: bool = True) -> Condition | None:
        if isinstance(text, bool) and is_yes_or_no:
            text = "true" if text else "false"
        if not isinstance(text, str):
            self.add("a condition is written as text", *path)
            return None
        try:
            return compile_yes_or_no(text.strip()) if is_yes_or_no else compile_condition(text)
        except ConditionError as error:
            self.add(str(error), *path)
            return None

    def text(self, data: Mapping[str, Any], key: str, *path: str | int) -> str:
        value = data.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            self.add(f"{key!r} is missing or no text", *path, key)
            return ""
        return value.strip()

    def mapping(self, value: Any, what: str, *path: str | int) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.add(f"{what} is a mapping, not {shown(value)}", *path)
            return {}
        return value

    def optional_mapping(self, value: Any, what: str, *path: str | int) -> dict[str, Any]:
        return {} if value is None else self.mapping(value, what, *path)

    def texts(self, value: Any, what: str, *path: str | int) -> tuple[str, ...]:
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.add(f"{what} is a list of names, not {shown(value)}", *path)
            return ()
        return tuple(value)

    def one_of(self, value: Any, allowed: tuple[str, ...], what: str, *path: str | int) -> str:
        if value not in allowed:
            self.add(f"{what} {shown(value)} is none of: {', '.join(allowed)}", *path)
        return str(value)


def shown(value: Any) -> str:
    """Return a value as it stands in a message, at most 80 characters of it."""
    told = repr(value)
    return told if len(told) <= 80 else told[:80] + "…"
