"""What a loaded rule is, and what is told of those that can't be run."""

from dataclasses import dataclass, field

from integrations.detection.conditions import Node


@dataclass(frozen=True, slots=True)
class LogSource:
    """Sigma's log source: an empty part stands for any."""

    product: str = ""
    service: str = ""
    category: str = ""

    def covers(self, other: "LogSource") -> bool:
        """Whether a rule for this source is meant for records of the other."""
        return (
            self.product in ("", other.product)
            and self.service in ("", other.service)
            and self.category in ("", other.category)
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """A Sigma rule that can be run. `techniques` are ATT&CK ids, `file` is where it was read.

    `filters`: the titles of the filters that leave something out of it.
    """

    id: str
    title: str
    level: str
    source: LogSource
    node: Node = field(repr=False)
    file: str = ""
    status: str = ""
    description: str = ""
    author: str = ""
    techniques: tuple[str, ...] = ()
    false_positives: tuple[str, ...] = ()
    name: str = ""
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """A Sigma filter: rules that it names match only where `node` holds as well.

    `rules` are ids or names, or the word `any` for all of its own pack.
    """

    id: str
    title: str
    file: str
    rules: tuple[str, ...]
    source: LogSource
    node: Node = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotRun:
    """What was read and is not run: `kind` is broken, unsupported or correlation."""

    file: str
    title: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pack:
    """What came of reading rules: nothing that was there is missing in it."""

    rules: tuple[Rule, ...]
    not_run: tuple[NotRun, ...] = ()
    filters: tuple[Filter, ...] = ()
