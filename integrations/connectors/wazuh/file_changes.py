"""How files on a computer were changed, as Wazuh's file integrity monitoring saw it.

It watches the folders that its settings name, by default the system's only: of documents it knows
where their folders were added. Each change is an alert of the group syscheck, of any level.
Sources: https://documentation.wazuh.com/current/user-manual/capabilities/file-integrity/,
https://documentation.wazuh.com/current/user-manual/capabilities/file-integrity/interpreting-analysis.html
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from integrations import file_changes
from integrations.connectors.wazuh.client import AGENTS, ALERTS, READ_ALERTS, WazuhClient
from integrations.contract import Json, Target
from integrations.errors import Rejected
from integrations.values import Fields

READ: Final = "syscheck:read"
_PAGE, _PAGES = 1000, 5
_LONGEST_HOURS = 2160
_DELETES_SAVED: Final = "T1490"
# Asked apart: a computer's many changes of files leave no place for the one command, and the other
# way round. Each of the commands that delete saved versions has one of these words.
_FILES: Final[list[dict[str, Any]]] = [{"term": {"rule.groups": "syscheck"}}]
_COMMANDS: Final[list[dict[str, Any]]] = [
    {"term": {"rule.mitre.id": _DELETES_SAVED}},
    *(
        {
            "wildcard": {
                "data.win.eventdata.commandLine": {"value": f"*{word}*", "case_insensitive": True}
            }
        }
        for word in ("vssadmin", "shadow", "wbadmin", "recoveryenabled")
    ),
]
# Where people keep what they work on; what Wazuh watches by itself is elsewhere.
_DOCUMENTS: Final = {
    "windows": ("users", "data", "share"),
    "": ("/home/", "/srv/", "/mnt/", "/data", "/share"),
}


@dataclass(frozen=True, slots=True)
class ListFileChanges:
    """Files that were added, changed, renamed; demands for money; deleted saved versions."""

    name: str = "endpoint.list_file_changes"
    permissions: tuple[str, ...] = (READ_ALERTS, AGENTS, READ)

    def gather(self, client: WazuhClient, target: Target, inputs: Json) -> Json:
        """Return what changed in the last `hours` (24), as the catalog states.

        Rejected where nothing was seen and Wazuh watches no folder with documents, which says
        nothing of them; and where there are more alerts than are read, and those show no harm.
        """
        # The agent must be one of this client's.
        agent = client.agent(target.external_id)
        told = inputs.get("hours")
        hours = told if isinstance(told, int) and not isinstance(told, bool) else 24
        since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=min(max(hours, 1), _LONGEST_HOURS))
        found, are_all_files = _alerts(client, agent.text("id"), since, _FILES)
        commands, are_all_commands = _alerts(client, agent.text("id"), since, _COMMANDS)
        paths: dict[str, set[str]] = {"added": set(), "modified": set(), "deleted": set()}
        for alert in found:
            check = alert.nested("syscheck")
            if check.text("path") and check.word("event") in paths:
                paths[check.word("event")].add(check.text("path"))
        answer = {
            "changed": len(set().union(*paths.values())),
            "renamed": file_changes.renamed(paths["added"], paths["deleted"]),
            "ransom_notes": file_changes.demands(paths["added"]),
            "shadow_copies_deleted": any(map(_deletes_saved, commands)),
        }
        is_whole = are_all_files and are_all_commands
        if not is_whole and not file_changes.shows_harm(answer):
            raise Rejected(
                f"More than {_PAGE * _PAGES:,} alerts on changes of files in that time: the newest "
                "show no harm, and say nothing of the others. Look at the computer in Wazuh."
            )
        if not any(value for name, value in answer.items() if name != "changed"):
            _check_watched(client, agent)
        return answer


def _alerts(
    client: WazuhClient, agent_id: str, since: dt.datetime, kinds: list[dict[str, Any]]
) -> tuple[list[Fields], bool]:
    """The alerts of one of these kinds, newest first, and whether they are all."""
    query: dict[str, Any] = {
        "size": _PAGE,
        "query": {
            "bool": {
                "filter": [
                    {"term": {"agent.id": agent_id}},
                    {"range": {"timestamp": {"gte": since.isoformat(timespec="milliseconds")}}},
                ],
                "should": kinds,
                "minimum_should_match": 1,
            }
        },
        "sort": [{"timestamp": "desc"}, {"id": "desc"}],
    }
    found: list[Fields] = []
    for _ in range(_PAGES):
        hits = client.search(ALERTS, READ_ALERTS, query)
        if not hits:
            return found, True
        found += [Fields(hit).nested("_source") for hit in hits]
        last = hits[-1].get("sort")
        if not last:
            return found, False
        query = {**query, "search_after": last}
    return found, not client.search(ALERTS, READ_ALERTS, {**query, "size": 1})


def _deletes_saved(alert: Fields) -> bool:
    command = alert.nested("data").nested("win").nested("eventdata").text("commandLine")
    named = alert.nested("rule").nested("mitre").texts("id")
    return _DELETES_SAVED in named or file_changes.deletes_saved_versions(command)


def _check_watched(client: WazuhClient, agent: Fields) -> None:
    """Rejected where no file in a folder of documents is watched."""
    words = _DOCUMENTS.get(agent.nested("os").word("platform"), _DOCUMENTS[""])
    query = ",".join(f"file~{word}" for word in words)
    path = f"/syscheck/{agent.text('id')}"
    _, total = client.items(path, READ, type="file", q=query, limit=1)
    if not total:
        raise Rejected(
            "Wazuh watches no documents on this computer: add their folders to syscheck in the "
            "settings of its agent group."
        )
