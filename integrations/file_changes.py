"""What changes of files say of ransom software, whichever product saw them. Pure.

Sources: https://www.cisa.gov/stopransomware/ransomware-guide, https://attack.mitre.org/techniques/T1486/
and …/T1490/.
"""

import ntpath
from collections.abc import Collection, Mapping
from typing import Any, Final

import re2

# RE2: the texts are an attacker's, and Python's own engine would take minutes for one made for it.
# What a demand's name says. A mere "readme" comes with many a program, and says nothing.
_DEMAND = re2.compile(
    r"(?i)(decrypt|ransom|unlock|(restore|recover|return|get|help)\W*_?(my|your|the)?\W*_?(files|data)"
    r"|files?\W*_?(are|back|locked|encrypted)|how\W*_?to\W*_?(restore|recover)).*"
    r"\.(txt|html?|hta|rtf|url)$"
)
# One such file is a programmer's; the same demand is left in folder after folder.
_FOLDERS = 3
# As many as the investigation of ransom software asks for: fewer are anybody's tidying up.
_MANY_RENAMED: Final = 50
_SAVED = re2.compile(
    r"(?i)vssadmin(\.exe)?\W.*\b(delete|resize)\b.*\bshadow|\bshadowcopy\b.*\bdelete\b"
    r"|\bwin32_shadowcopy\b.*(delete|remove-)|wbadmin(\.exe)?\W.*\bdelete\b"
    r"|diskshadow(\.exe)?\W.*\bdelete\b|bcdedit(\.exe)?\W.*\brecoveryenabled\b\W+no\b"
)


def deletes_saved_versions(command: str) -> bool:
    """Whether a command deletes the saved earlier versions of files, or the way back to them."""
    return _says(_SAVED, command)


def demands(added: Collection[str]) -> int:
    """How many of the paths are a demand for money, left under one name in several folders."""
    folders: dict[str, set[str]] = {}
    for path in added:
        # Takes both kinds of slashes.
        folder, name = ntpath.split(path)
        if _says(_DEMAND, name):
            folders.setdefault(name.lower(), set()).add(folder.lower())
    return sum(len(found) for found in folders.values() if len(found) >= _FOLDERS)


def shows_harm(facts: Mapping[str, Any]) -> bool:
    """Whether facts of `endpoint.list_file_changes` tell of harm, however much else happened.

    Facts of a part of the events that don't are no facts: the harm may be in the other part.
    """
    return bool(
        facts["shadow_copies_deleted"] or facts["ransom_notes"] or facts["renamed"] >= _MANY_RENAMED
    )


def _says(pattern: Any, text: str) -> bool:
    """Whether a pattern is in a text; RE2 takes no half of a pair of surrogates."""
    return bool(pattern.search(text.encode(errors="replace").decode()))


def renamed(added: Collection[str], deleted: Collection[str]) -> int:
    """How many deleted files came back under a name of theirs with an ending more.

    For products that tell of what came and went, and of no renaming.
    """
    gone = {path.lower() for path in deleted}
    return sum(_before(path.lower()) & gone != set() for path in added)


def _before(path: str) -> set[str]:
    """The names without the last one or two endings: ``plan.docx.id-7.locked`` was plan.docx."""
    once = path.rpartition(".")[0]
    return {once, once.rpartition(".")[0]} - {""}
