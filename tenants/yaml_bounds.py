"""Bounds for YAML from strangers: looked at event by event, before anything is built of it."""

import yaml

from tenants.errors import HoldfastError


class OutOfBounds(HoldfastError):
    """YAML that is too deep, too large or has aliases; `line` and `column` count from 1."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(reason)
        self.reason, self.line, self.column = reason, line, column


def check(text: str, *, deepest: int, most_nodes: int) -> None:
    """Refuse aliases (an alias bomb must not even be composed), depth and number of values.

    OutOfBounds says where; yaml.YAMLError where it isn't YAML.
    """
    depth = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        reason = ""
        if isinstance(event, yaml.AliasEvent):
            reason = f"no aliases: write out *{event.anchor}"
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1
        if depth > deepest:
            reason = f"nested more than {deepest} levels deep"
        elif nodes > most_nodes:
            reason = f"more than {most_nodes} values in one file"
        if reason:
            mark = event.start_mark
            raise OutOfBounds(reason, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1)
