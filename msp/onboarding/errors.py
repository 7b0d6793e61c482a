"""The errors of the onboarding room."""

from collections.abc import Sequence
from typing import NamedTuple

from tenants.errors import HoldfastError


class FieldProblem(NamedTuple):
    """What is wrong with one field or column, and what to do; no field: with the whole."""

    field: str
    words: str


class OnboardingError(HoldfastError):
    """A client can't be brought in as told; `problems` says for each field what to do."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__(
            " ".join(f"{one.field}: {one.words}" if one.field else one.words for one in problems)
        )
        self.problems = tuple(problems)


class ConsentError(HoldfastError):
    """An answer to a request for consent can't be taken: unknown, used or too old."""
