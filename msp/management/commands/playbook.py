"""``manage.py playbook …``: look at, check and try playbooks; bring versions in and back."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from msp.management import playbook_files, playbook_versions
from msp.management.files import read_text
from msp.product_command import ProductCommand
from playbooks import engagement, library, planner, verdicts
from playbooks.adoption import golden, importing
from playbooks.authoring import schema
from playbooks.language import Playbook
from playbooks.policy import rules
from playbooks.targeting import touched
from tenants import scope
from tenants.canonical import sha256_of
from tenants.errors import HoldfastError
from tenants.selectors import tenant_by_slug

_LARGEST_FACTS = 32 * 1024 * 1024


class Command(ProductCommand):
    help = "List, show, lint, test, plan, import, export and activate playbooks."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each thing to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        listing = commands.add_parser("list", help="every playbook")
        listing.add_argument("--json", action="store_true")
        plan = commands.add_parser("plan", help="what it would come to, for given facts")
        plan.add_argument("--facts", type=Path, required=True, metavar="FILE")
        plan.add_argument("--json", action="store_true")
        facts = commands.add_parser("facts", help="print an example of the facts it takes")
        show = commands.add_parser("show", help="print its source")
        lint = commands.add_parser("lint", help="check a file, a folder, or the library")
        lint.add_argument("path", nargs="?", type=Path)
        test = commands.add_parser("test", help="run the golden cases")
        for parser in (plan, facts, show, test):
            playbook_files.add_choice(parser, is_one=parser is not test)
        commands.add_parser("schema", help="print the JSON Schema that editors use")
        playbook_versions.add_commands(commands.add_parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; an expected error is one clear message and exit code 2."""
        handlers: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "list": self._list,
            "plan": self._plan,
            "facts": self._facts,
            "show": self._show,
            "lint": self._lint,
            "test": self._test,
            "schema": self._schema,
        }
        versions = playbook_versions.handlers()
        try:
            if options["what"] in versions:
                versions[options["what"]](options, self.stdout)
            else:
                handlers[options["what"]](options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _list(self, options: dict[str, Any]) -> None:
        told = [_describe(playbook) for playbook in importing.newest_of_each()]
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=2))
            return
        for playbook in told:
            self.stdout.write(f"{playbook['id']:32} {playbook['kind']:14} {playbook['title']}")

    def _plan(self, options: dict[str, Any]) -> None:
        playbook = playbook_files.chosen(options)
        facts = _read_facts(options["facts"], playbook)
        if playbook.kind == "investigation":
            told = verdicts.decide(playbook, facts).as_json()
            answer = {"verdict": told, "sha256": sha256_of(told)}
        else:
            document = planner.plan(playbook, facts, _rules(options["tenant"]))
            answer = {"plan": document, "sha256": planner.plan_sha256(document)}
        if options["json"]:
            self.stdout.write(json.dumps(answer, sort_keys=True))
        else:
            self._print_plan(answer)

    def _print_plan(self, answer: dict[str, Any]) -> None:
        if "verdict" in answer:
            told = answer["verdict"]
            self.stdout.write(f"{told['verdict']} ({told['confidence']}): {told['because']}")
        else:
            plan = answer["plan"]
            for step in plan["steps"]:
                self._print_step(step, plan["steps"])
            for step in plan["skipped"]:
                self.stdout.write(f"(skipped {step['step']}: {step['why']})")
            self.stdout.write(f"{plan['objects']} objects, tier {plan['tier']}")
        self.stdout.write(f"sha256 {answer['sha256']}")

    def _print_step(self, step: Mapping[str, Any], steps: list[Mapping[str, Any]]) -> None:
        target, rule = step["target"]["name"], step["tier_rule"]["title"]
        self.stdout.write(f"{step['title']}: {target} [{step['tier']}: {rule}]")
        why = step["why"]
        read = ", ".join(f"{path} = {_shown(value)}" for path, value in why["facts"].items())
        self.stdout.write(f"    when: {why['condition']}" + (f" ({read})" if read else ""))
        self.stdout.write(f"    touches: {touched.in_words(step, steps)}")
        undo = step["reversal"]
        self.stdout.write(
            f"    undone by: {undo['title']}"
            if undo["action"]
            else f"    for good: {undo['reason']}"
        )

    def _facts(self, options: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(playbook_files.chosen(options).example, indent=2))

    def _show(self, options: dict[str, Any]) -> None:
        self.stdout.write(playbook_files.chosen(options).source)

    def _schema(self, _options: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(schema.playbook_schema(), indent=2))

    def _lint(self, options: dict[str, Any]) -> None:
        count, problems = playbook_files.lint(options["path"])
        if problems:
            # Each on a line of its own, as editors look for them.
            told = f"{len(problems)} problems in {count} playbooks."
            raise CommandError("\n".join([told, *problems]), returncode=2)
        self.stdout.write(f"{count} playbooks, nothing wrong.")

    def _test(self, options: dict[str, Any]) -> None:
        chosen = [playbook_files.chosen(options)] if options["id"] else library.playbooks().values()
        outcomes = [outcome for playbook in chosen for outcome in golden.run(playbook)]
        wrong = [outcome for outcome in outcomes if outcome.difference]
        for outcome in wrong:
            self.stderr.write(f"{outcome.playbook}: {outcome.name}: {outcome.difference}")
        self.stdout.write(f"{len(outcomes) - len(wrong)} passed, {len(wrong)} failed")
        if wrong:
            raise CommandError("Golden cases differ from what the playbooks do.", returncode=1)


def _describe(playbook: Playbook) -> dict[str, Any]:
    return {
        "id": playbook.id,
        "version": playbook.version,
        "kind": playbook.kind,
        "title": playbook.title,
        "summary": playbook.summary,
        "actions": [step.uses for step in playbook.steps],
        "attack": list(playbook.attack),
        "sha256": playbook.source_sha256,
    }


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _read_facts(path: Path, playbook: Playbook) -> dict[str, Any]:
    text = read_text(path, _LARGEST_FACTS)
    try:
        facts = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(facts, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise HoldfastError(f"{path} is not JSON: {str(error)[:100]}.") from None
    if not isinstance(facts, dict):
        raise HoldfastError(f"{path}: facts are a JSON object; see `playbook facts {playbook.id}`.")
    missing = sorted(playbook.example.keys() - facts.keys())
    if missing:
        raise HoldfastError(
            f"{path} lacks the facts: {', '.join(missing)}. See `playbook facts {playbook.id}`."
        )
    return facts


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number that JSON has")


def _rules(slug: str | None) -> engagement.Engagement:
    if slug is None:
        return engagement.default()
    with scope.tenant(tenant_by_slug(slug).id):
        return rules.in_force()
