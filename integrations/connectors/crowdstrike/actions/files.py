"""Files in Falcon's quarantine: released ones go back in, quarantined ones are released.

Falcon itself decides what it quarantines; through its API only a file that it knows from there can
be locked away again. A file's id is that of its record in quarantine, host and hash.
Source: https://www.falconpy.io/Service-Collections/Quarantine.html
"""

from dataclasses import dataclass

from integrations.connectors.crowdstrike.client import FalconClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected
from integrations.values import Fields

READ, WRITE = "Quarantined Files: Read", "Quarantined Files: Write"
_GONE = frozenset({"deleted", "purged"})


def is_quarantined(state: str) -> bool:
    """Whether a file of this state is locked away (or gone) and can't be started."""
    return state.lower() not in {"", "released"}


def read_file(client: FalconClient, file_id: str) -> Fields:
    """The file's record in quarantine; NotFound where Falcon has none."""
    found = client.entities("/quarantine/entities/quarantined-files/GET/v1", READ, [file_id])
    if not found:
        raise NotFound(
            f"CrowdStrike Falcon has no file {file_id} in its quarantine. It locks files away by "
            "its prevention policy; this one must be removed by hand."
        )
    return Fields(found[0])


@dataclass(frozen=True, slots=True)
class SwitchQuarantine:
    """Lock a released file away again, or release a file."""

    name: str
    to_quarantined: bool
    permissions: tuple[str, ...] = (WRITE, READ)

    def snapshot(self, client: FalconClient, intention: Intention) -> Json:
        """Its state now."""
        return {"state": self._state(client, intention)}

    def call(self, client: FalconClient, intention: Intention) -> Json:
        """Change it, unless it is so already; Rejected where the file is gone."""
        state = self._state(client, intention)
        if is_quarantined(state) is self.to_quarantined:
            return {"state": state}
        if state in _GONE:
            raise Rejected(f"The file is {state} in CrowdStrike Falcon: it can't be put back.")
        client.write(
            "PATCH", "/quarantine/entities/quarantined-files/v1", WRITE,
            {
                "ids": [intention.target.external_id],
                "action": "unrelease" if self.to_quarantined else "release",
                "comment": "Holdfast",
            },
        )  # fmt: skip
        return {"asked": True}

    def read_back(self, client: FalconClient, intention: Intention) -> ReadBack:
        """Ask for the file's record again."""
        state = self._state(client, intention)
        return ReadBack(
            holds=is_quarantined(state) is self.to_quarantined,
            observed={"state": state},
            explanation=f"CrowdStrike Falcon shows the file as {state or 'unknown'}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        before = intention.snapshot.get("state")
        was_so = before is None or is_quarantined(str(before)) is self.to_quarantined
        return None if was_so else {}

    def _state(self, client: FalconClient, intention: Intention) -> str:
        return read_file(client, intention.target.external_id).word("state")
