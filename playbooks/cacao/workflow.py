"""The steps of a playbook as a CACAO workflow.

CACAO orders by what comes next, we by what a step needs. Steps whose needs are met at the same
time become the branches of one parallel step; each such round follows the one before. That is
stricter than `needs`, never looser; what a step really needs stands in the extension.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations import catalog
from playbooks.cacao import words
from playbooks.language import Playbook, PlaybookStep

_TARGETS: Mapping[str, Mapping[str, Any]] = {
    "device": {"type": "security-category", "category": ["endpoint"]},
    "tenant": {"type": "organization"},
}
_EVERYBODY_ELSE: Mapping[str, Any] = {"type": "individual"}


class Workflow:
    """The workflow of one playbook: its steps by id, and the ids that the document names."""

    def __init__(self, playbook: Playbook, told: Sequence[Mapping[str, Any]]) -> None:
        """Lay out the steps; `told` are the same steps as the file says them."""
        self._owner = playbook.id
        self.steps: dict[str, dict[str, Any]] = {}
        self.targets: dict[str, dict[str, Any]] = {}
        self.actions = {step.id: self._id("action", step.id) for step in playbook.steps}
        self.start = self._id("start")
        self.stopped = self._id("end", "stopped")
        by_id = {step.id: step for step in playbook.steps}
        self._said = {
            step_id: (i, by_id[step_id], raw)
            for i, (step_id, raw) in enumerate(((_id_of(raw), raw) for raw in told), 1)
        }
        self.order = [self.actions[step_id] for step_id in self._said]
        self._lay_out(rounds(playbook.steps))

    def _lay_out(self, in_order: list[list[str]]) -> None:
        firsts = [self._first(n, ids) for n, ids in enumerate(in_order)]
        self.steps[self.start] = {"type": "start", "on_completion": firsts[0]}
        end = self._id("end")
        for n, ids in enumerate(in_order):
            following = firsts[n + 1] if n + 1 < len(firsts) else end
            if len(ids) == 1:
                self._unit(ids[0], following)
                continue
            for step_id in ids:
                self._unit(step_id, self._end("branch", step_id))
            branches = [self._outermost(step_id) for step_id in ids]
            is_going_on = all(self._goes_on(step_id) for step_id in ids)
            self.steps[firsts[n]] = {
                "type": "parallel",
                "name": f"Round {n + 1}",
                "next_steps": branches,
                "on_completion" if is_going_on else "on_success": following,
            }
        self.steps[end] = {"type": "end", "name": "Done"}
        self.steps[self.stopped] = {
            "type": "end",
            "name": "Stopped",
            "description": "A step failed: nothing that needs it is done.",
        }

    def _first(self, n: int, ids: list[str]) -> str:
        return self._outermost(ids[0]) if len(ids) == 1 else self._id("parallel", str(n))

    def _outermost(self, step_id: str) -> str:
        """Return where a step begins: its condition, its loop, or itself."""
        _, step, _ = self._said[step_id]
        if step.when is not None:
            return self._id("if-condition", step_id)
        if step.for_each is not None:
            return self._id("while-condition", step_id)
        return self.actions[step_id]

    def _goes_on(self, step_id: str) -> bool:
        return self._said[step_id][1].on_failure == "continue"

    def _unit(self, step_id: str, following: str) -> None:
        """Add a step with what stands around it; `following` comes after the outermost."""
        i, step, _ = self._said[step_id]
        inside = self.actions[step_id]
        after = "on_completion" if self._goes_on(step_id) else "on_success"
        if step.when is not None:
            self.steps[self._id("if-condition", step_id)] = {
                **_question("if-condition", f"__when_{i}__", step.when.text),
                "on_true": self._id("while-condition", step_id) if step.for_each else inside,
                after: following,
            }
            following = self._end("if", step_id)
        if step.for_each is not None:
            self.steps[self._id("while-condition", step_id)] = {
                **_question("while-condition", f"__is_left_{i}__", step.for_each.text),
                "on_true": inside,
                after: following,
            }
            following = self._end("while", step_id)
        self.steps[inside] = {**self._action(step_id), after: following}

    def _action(self, step_id: str) -> dict[str, Any]:
        _, step, raw = self._said[step_id]
        extension = {key: raw[key] for key in raw if key not in words.NATIVE_STEP_KEYS}
        if step.needs:
            extension["needs"] = [self.actions[needed] for needed in step.needs]
        return {
            "type": "action",
            "name": step.id,
            **({"description": step.why} if step.why else {}),
            **({"timeout": step.timeout_seconds * 1000} if step.timeout_seconds else {}),
            "commands": [self._command(step)],
            "agent": words.AGENT,
            "targets": [self._target(step)],
            "step_extensions": {words.EXTENSION: extension},
        }

    def _command(self, step: PlaybookStep) -> dict[str, Any]:
        action = catalog.get(step.uses)
        return {
            "type": "manual",
            "command": action.name,
            "description": action.title,
            "playbook_activity": activity(action),
        }

    def _target(self, step: PlaybookStep) -> str:
        kind = catalog.get(step.uses).target
        told = _TARGETS.get(kind, _EVERYBODY_ELSE)
        target = self._id(str(told["type"]), kind)
        self.targets[target] = {**told, "name": f"The {kind.replace('_', ' ')} of the case"}
        return target

    def _end(self, *parts: str) -> str:
        made = self._id("end", *parts)
        self.steps[made] = {"type": "end"}
        return made

    def _id(self, kind: str, *parts: str) -> str:
        return words.identifier(kind, self._owner, *parts)


def _id_of(raw: Mapping[str, Any]) -> str:
    return str(raw["id"]).strip()


def rounds(steps: Sequence[PlaybookStep]) -> list[list[str]]:
    """Return the ids of the steps by round; each needs only steps of the rounds before."""
    left = {step.id: set(step.needs) for step in steps}
    followers: dict[str, list[str]] = {step.id: [] for step in steps}
    for step in steps:
        for needed in set(step.needs):
            followers[needed].append(step.id)
    position = {step.id: i for i, step in enumerate(steps)}
    found = []
    ready = [step.id for step in steps if not step.needs]
    while ready:
        found.append(ready)
        following = []
        for done in ready:
            for step_id in followers[done]:
                left[step_id].discard(done)
                if not left[step_id]:
                    following.append(step_id)
        ready = sorted(following, key=position.__getitem__)
    return found


def activity(action: catalog.CatalogAction) -> str:
    """Return the word of CACAO's playbook-activity-type-ov for an action."""
    if action.is_read_only:
        return "analyze-collected-data"
    return "restrict-access" if action.is_containment else "eliminate-risk"


def _question(kind: str, variable: str, expression: str) -> dict[str, Any]:
    """Return a conditional step: CACAO's grammar has no CEL, so it asks a variable for it."""
    return {
        "type": kind,
        "description": expression,
        "step_variables": {
            variable: {"type": "bool", "description": f"What this CEL gives: {expression}"}
        },
        "condition": f"{variable}:value = 'true'",
    }
