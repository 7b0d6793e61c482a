"""How those who ask, decide and do are named to people."""

ENGINE = "engine"
_SPOKEN = {"technician": "{}", "client": "{} (client)", "operator": "{} (command line)"}


def named(actor: str) -> str:
    """Return an actor's name without the machine's prefix; ``Holdfast`` for the engine."""
    if actor == ENGINE:
        return "Holdfast"
    kind, _, who = actor.partition(":")
    return _SPOKEN[kind].format(who) if who and kind in _SPOKEN else actor
