"""What an administrator does with sources and warning lists, which hold for every client."""

from collections.abc import Sequence

from integrations.intelligence import sightings, sources, warnings
from integrations.models import IndicatorSource, WarningList
from msp.console.actions import NOT_EVERY_CLIENT, actor_of
from msp.console.errors import ConsoleError
from msp.staff.models import Technician

CHANGES = ("pause", "resume", "read", "remove")


def add(wish: sources.Wish, *, actor: Technician) -> IndicatorSource:
    """Keep a source; BadSource says why not, ConsoleError who may."""
    _check(actor)
    return sources.add(wish, actor=actor_of(actor))


def change(source: IndicatorSource, how: str, *, actor: Technician) -> str:
    """Do one of `CHANGES`; return in words what holds now. ConsoleError: who may, and what."""
    _check(actor)
    if how not in CHANGES:
        raise ConsoleError(f"A source can be told: {', '.join(CHANGES)}.")
    if how == "remove":
        sources.remove(source.id, actor=actor_of(actor))
        return f"{source.name} is removed with its secret; nothing that it told is looked for."
    if how == "read":
        sources.read_soon(source.id)
        return f"{source.name} is read now; this page shows what comes of it."
    is_paused = how == "pause"
    sources.set_paused(source.id, paused=is_paused, actor=actor_of(actor))
    return f"{source.name} {'is paused' if is_paused else 'is read again'}."


def take_in_list(
    content: bytes, *, actor: Technician
) -> tuple[WarningList, Sequence[tuple[str, str]]]:
    """Take in a warning list; return it, and what of it can't be used, each with the reason.

    BadList says what to give, ConsoleError who may.
    """
    _check(actor)
    taken = warnings.take_in(content, actor=actor_of(actor))
    sightings.look_again()
    return taken


def forget_list(name: str, *, actor: Technician) -> None:
    """Forget a warning list. NoList where there is none, ConsoleError says who may."""
    _check(actor)
    warnings.remove(name)
    sightings.look_again()


def _check(actor: Technician) -> None:
    if not actor.sees_all_tenants:
        raise ConsoleError(NOT_EVERY_CLIENT)
