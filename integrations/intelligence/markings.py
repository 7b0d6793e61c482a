"""How far what is known of attackers may be passed on: the Traffic Light Protocol. Pure.

Source: https://www.first.org/tlp/ (version 2.0) and, for the ids of STIX's marking definitions,
https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html (7.2.1.4) and
https://github.com/oasis-open/cti-stix-common-objects (tlp-2.0).
"""

from collections.abc import Iterable, Mapping
from typing import Any

# The strictest last.
LEVELS = ("clear", "green", "amber", "amber+strict", "red")
# For the MSP alone: what a client is given names none of it.
OWN_EYES = ("amber+strict", "red")
_DEFINED = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "clear",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "amber",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": "clear",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "green",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": "amber",
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": "amber+strict",
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": "red",
}


def strictest(told: Iterable[str]) -> str:
    """Return the strictest of levels as sources write them (``TLP:RED``); empty without one."""
    found = [level for one in told if (level := _level(one))]
    return max(found, key=LEVELS.index, default="")


def of_object(item: Mapping[str, Any], own: Mapping[str, str]) -> str:
    """Return the strictest level of a STIX object, and of any part of it.

    `own` are levels of marking definitions that came with it, by id.
    """
    refs = [str(one) for one in _listed(item.get("object_marking_refs"))]
    for part in _listed(item.get("granular_markings")):
        if isinstance(part, Mapping):
            refs.append(str(part.get("marking_ref", "")))
    return strictest(_DEFINED.get(ref) or own.get(ref, "") for ref in refs)


def defined(item: Mapping[str, Any]) -> str:
    """Return the level that a STIX marking definition stands for; empty where it is another."""
    definition = item.get("definition")
    told = [str(definition.get("tlp", ""))] if isinstance(definition, Mapping) else []
    extensions = item.get("extensions")
    for one in extensions.values() if isinstance(extensions, Mapping) else ():
        if isinstance(one, Mapping):
            told.append(str(one.get("tlp_2_0", "")))
    return strictest([*told, str(item.get("name", ""))])


def _level(told: str) -> str:
    text = told.strip().lower()
    word = text.removeprefix("tlp").strip(":- ")
    word = {"white": "clear", "ambered": "amber"}.get(word, word)
    if word.startswith("amber") and "strict" in word:
        return "amber+strict"
    # A level that is not known says that there is one: then it is passed on to nobody.
    return word if word in LEVELS else ("red" if word and text.startswith("tlp") else "")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
