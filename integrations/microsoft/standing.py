"""What an app registration may do in one of Microsoft's services, by the token that it gets."""

import re
from collections.abc import Collection

from integrations.contract import Standing


def of_roles(granted: Collection[str], asked: Collection[str], *, own: str = "") -> Standing:
    """Return which of the permissions `asked` are granted, or a wider one that holds them.

    `own` is how the service's permissions begin, where the token also tells of others: what is
    granted beyond `asked` counts as needless only among these.
    """
    covered = {name for name in asked if {name, _wider(name)} & set(granted)}
    needed = {*asked, *(_wider(name) for name in asked if name not in granted)}
    return Standing(
        frozenset(covered),
        frozenset(name for name in granted if name.startswith(own) and name not in needed),
    )


def _wider(name: str) -> str:
    return re.sub(r"\.Read(?=\.|$)", ".ReadWrite", name)
