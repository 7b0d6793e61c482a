"""The errors of the playbooks room.

HoldfastError
├── PlaybookError      a playbook, rule file or facts that can't be used; lists every problem
├── ConditionError     a CEL condition that can't be compiled or evaluated
├── ApprovalError      a decision that doesn't count, and why
├── LinkError          a client's link that doesn't count, and why
└── CaseError          cases that can't be merged, split or put back, and why
"""

from collections.abc import Sequence

from tenants.errors import HoldfastError


class PlaybookError(HoldfastError):
    """A playbook, a rules file or facts that can't be used; `problems` names each one."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ConditionError(HoldfastError):
    """A CEL condition that can't be compiled or evaluated."""


class ApprovalError(HoldfastError):
    """A decision on a plan that doesn't count; the message says why and what to do."""


class LinkError(HoldfastError):
    """A client's link that doesn't count; `state` says which way, the message why."""

    def __init__(self, state: str, message: str) -> None:
        super().__init__(message)
        self.state = state


class CaseError(HoldfastError):
    """Cases that can't be merged, split or put back; the message says why and what to do."""
