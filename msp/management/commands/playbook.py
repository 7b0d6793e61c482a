"""``manage.py playbook …``: look at, check and try playbooks; bring versions in and back."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from msp.management import playbook_versions
from playbooks import engagement, golden, library, planner, schema, verdicts
from playbooks.language import Playbook, load_checked
from playbooks.response import rules_in_force
from tenants import scope
from tenants.canonical import sha256_of
from tenants.errors import HoldfastError
from tenants.models import Tenant


class Command(BaseCommand):
    help = "List, show, lint, test, plan, import, export and activate playbooks."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each thing to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        listing = commands.add_parser("list", help="every playbook")
        listing.add_argument("--json", action="store_true")
        plan = commands.add_parser("plan", help="what it would come to, for given facts")
        plan.add_argument("id")
        plan.add_argument("--facts", type=Path, required=True, metavar="FILE")
        plan.add_argument("--tenant", metavar="SLUG", help="use this client's rules of engagement")
        plan.add_argument("--json", action="store_true")
        for name, text in (
            ("facts", "print an example of the facts it takes"),
            ("show", "print its source"),
        ):
            commands.add_parser(name, help=text).add_argument("id")
        lint = commands.add_parser("lint", help="check a file, a folder, or the library")
        lint.add_argument("path", nargs="?", type=Path)
        test = commands.add_parser("test", help="run the golden cases")
        test.add_argument("id", nargs="?")
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
        told = [_describe(playbook) for playbook in library.playbooks().values()]
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=2))
            return
        for playbook in told:
            self.stdout.write(f"{playbook['id']:32} {playbook['kind']:14} {playbook['title']}")

    def _plan(self, options: dict[str, Any]) -> None:
        playbook = library.get(options["id"])
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
            for step in answer["plan"]["steps"]:
                target, rule = step["target"]["name"], step["tier_rule"]["title"]
                self.stdout.write(f"{step['title']}: {target} [{step['tier']}: {rule}]")
            for step in answer["plan"]["skipped"]:
                self.stdout.write(f"(skipped {step['step']}: {step['why']})")
        self.stdout.write(f"sha256 {answer['sha256']}")

    def _facts(self, options: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(library.get(options["id"]).example, indent=2))

    def _show(self, options: dict[str, Any]) -> None:
        self.stdout.write(library.get(options["id"]).source)

    def _schema(self, _options: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(schema.playbook_schema(), indent=2))

    def _lint(self, options: dict[str, Any]) -> None:
        path = options["path"]
        if path is None:
            checked = [
                load_checked(playbook.source, f"{playbook.id}.yaml").id
                for playbook in library.playbooks().values()
            ]
        else:
            files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
            checked = [_load(file).id for file in files]
        self.stdout.write(f"{len(checked)} playbooks, nothing wrong.")

    def _test(self, options: dict[str, Any]) -> None:
        chosen = [library.get(options["id"])] if options["id"] else library.playbooks().values()
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


def _load(path: Path) -> Playbook:
    try:
        return load_checked(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise HoldfastError(f"{path} can't be read: {error}.") from None


def _read_facts(path: Path, playbook: Playbook) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        json.dumps(facts, ensure_ascii=False).encode()
    except (OSError, UnicodeDecodeError) as error:
        raise HoldfastError(f"{path} can't be read: {error}.") from None
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
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise HoldfastError(f"There is no tenant {slug!r}.")
    with scope.tenant(tenant.id):
        return rules_in_force()
