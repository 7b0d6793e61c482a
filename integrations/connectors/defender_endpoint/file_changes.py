"""How files on a computer were changed, by Defender's advanced hunting.

Defender for Business doesn't include it. Its tables keep 30 days.
Sources: https://learn.microsoft.com/defender-endpoint/api/run-advanced-query-api,
https://learn.microsoft.com/defender-xdr/advanced-hunting-devicefileevents-table,
…/advanced-hunting-deviceprocessevents-table.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from integrations import file_changes
from integrations.connectors.defender_endpoint.client import DefenderClient
from integrations.contract import Json, Target
from integrations.errors import NotFound, Rejected
from integrations.microsoft.odata import literal
from integrations.values import Fields

HUNT: Final = "AdvancedQuery.Read.All"
_LONGEST_HOURS = 30 * 24
_MOST = 10_000
# Nothing that a query would read as its own.
_MACHINE = re.compile(r"[0-9a-zA-Z-]{1,64}")
_FILES = (
    'DeviceFileEvents | where DeviceId == "{machine}" and Timestamp >= datetime({since})'
    " | where ActionType in ({kinds})"
)
_PATHS = (
    " | project ActionType, FolderPath, FileName, PreviousFolderPath, PreviousFileName"
    " | take {most}"
)
# Renamed files come first, then deleted and new ones, however many there are.
_CAME_OR_WENT = (
    _FILES.replace("{kinds}", '"FileRenamed", "FileDeleted", "FileCreated"')
    + " | order by ActionType desc, Timestamp desc"
    + _PATHS
)
_WRITTEN = _FILES.replace("{kinds}", '"FileModified"') + _PATHS
_COMMANDS = (
    'DeviceProcessEvents | where DeviceId == "{machine}" and Timestamp >= datetime({since})'
    ' | where ProcessCommandLine has_any ("shadows", "shadowcopy", "shadowstorage", "wbadmin",'
    ' "diskshadow", "recoveryenabled", "Win32_Shadowcopy")'
    " | project ProcessCommandLine | take {most}"
)


@dataclass(frozen=True, slots=True)
class ListFileChanges:
    """Files that were added, changed, renamed; demands for money; deleted saved versions."""

    name: str = "endpoint.list_file_changes"
    permissions: tuple[str, ...] = (HUNT,)

    def gather(self, client: DefenderClient, target: Target, inputs: Json) -> Json:
        """Return what changed in the last `hours` (24), by at most 10,000 events of each kind.

        Rejected where Defender kept no event of the computer's files in that time, as a computer
        in use always has some; and where there are more events than are read, and those show no
        harm. `renamed` counts files that got an ending more, `changed` the files of events read.
        """
        told = inputs.get("hours")
        hours = told if isinstance(told, int) and not isinstance(told, bool) else 24
        since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=min(max(hours, 1), _LONGEST_HOURS))
        if not _MACHINE.fullmatch(target.external_id):
            raise NotFound("Defender knows no computer by this id.")
        files = _asked(client, _CAME_OR_WENT, target.external_id, since)
        written = _asked(client, _WRITTEN, target.external_id, since)
        if not files and not written:
            raise Rejected(
                "Defender has no record of this computer's files in that time: it was off, or "
                "tells nothing."
            )
        commands = _asked(client, _COMMANDS, target.external_id, since)
        answer = _told(files, written, commands)
        if max(len(files), len(commands)) >= _MOST and not file_changes.shows_harm(answer):
            raise Rejected(
                f"More than {_MOST:,} changes of files in that time: those that were read show no "
                "harm, and say nothing of the others. Look at the computer's timeline in Defender."
            )
        return answer


def _told(files: list[Fields], written: list[Fields], commands: list[Fields]) -> Json:
    added, gone = set(), set()
    for row in files:
        kind, path = row.text("ActionType"), _path(row, "FolderPath", "FileName")
        if kind == "FileDeleted":
            gone.add(path)
        else:
            added.add(path)
        if kind == "FileRenamed":
            gone.add(_path(row, "PreviousFolderPath", "PreviousFileName"))
    return {
        "changed": len({_path(row, "FolderPath", "FileName") for row in (*files, *written)}),
        "renamed": file_changes.renamed(added, gone),
        "ransom_notes": file_changes.demands(added),
        "shadow_copies_deleted": any(
            file_changes.deletes_saved_versions(row.text("ProcessCommandLine")) for row in commands
        ),
    }


def _asked(client: DefenderClient, query: str, machine: str, since: dt.datetime) -> list[Fields]:
    text = query.format(machine=machine, since=literal(since), most=_MOST)
    body = client.session.ask("/advancedqueries/run", HUNT, {"Query": text})
    return Fields(body if isinstance(body, Mapping) else {}).objects("Results")


def _path(row: Fields, folder: str, name: str) -> str:
    """The path of a file: in some events the folder's path has the name at its end."""
    at, own = row.text(folder), row.text(name)
    return at if at.lower().endswith(f"\\{own.lower()}") else f"{at}\\{own}"
