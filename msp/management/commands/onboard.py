"""``manage.py onboard …``: bring clients in, one by one or many from a file."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.models import Connection
from msp.onboarding import actions, consent, csv_file, progress, relationships, testing
from msp.onboarding.actions import ClientDetails
from msp.onboarding.models import Onboarding
from msp.product_command import ProductCommand
from playbooks.plans.steps import spoken
from playbooks.running import stopping
from playbooks.running.stopping import Stops
from tenants import scope
from tenants.errors import HoldfastError
from tenants.models import Tenant
from tenants.selectors import tenant_by_slug

_SOMETHING_IS_LEFT = 1


class Command(ProductCommand):
    help = "Register a client, connect it, test it, choose its rules and start it in shadow."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each step; each may be done again."""
        parser.add_argument("--actor", default="command line", help="who does it, for the ledger")
        commands = parser.add_subparsers(dest="what", required=True)
        self._client_arguments(commands)
        file = commands.add_parser("file", help="many clients from a CSV file, which is not kept")
        file.add_argument("file", help="a path, or - for standard input")
        file.add_argument(
            "--test", action="store_true", help="then ask each row's vendors, as `test` does"
        )
        commands.add_parser("template", help="print an empty CSV file")
        commands.add_parser("relationships", help="list the GDAP relationships")
        commands.add_parser("renew", help="give every client the MSP's new credentials")
        for command in commands.choices.values():
            command.add_argument("--json", action="store_true", help="print JSON")

    def _client_arguments(self, commands: Any) -> None:
        register = commands.add_parser("register", help="make a client, or correct one")
        register.add_argument("slug", metavar="SLUG")
        register.add_argument("--name", required=True)
        for name in ("time-zone", "country", "contact-name", "contact-email"):
            register.add_argument(f"--{name}", default="")
        connect = commands.add_parser("connect", help="connect a product, or correct that")
        connect.add_argument("slug", metavar="SLUG")
        connect.add_argument("connector", metavar="CONNECTOR")
        connect.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE")
        connect.add_argument(
            "--secrets", metavar="FILE", help="JSON with the secrets; - for standard input"
        )
        connect.add_argument(
            "--replace", action="store_true", help="the client's organisation is another one now"
        )
        remove = commands.add_parser("disconnect", help="say what stops without it; --yes removes")
        remove.add_argument("slug", metavar="SLUG")
        remove.add_argument("connector", metavar="CONNECTOR")
        remove.add_argument("--name", default="", help="which one, where there are several")
        remove.add_argument("--reason", default="", help="why, for the ledger")
        remove.add_argument("--yes", action="store_true", help="remove it")
        ask = commands.add_parser("consent", help="make the address for consent at Microsoft")
        ask.add_argument("slug", metavar="SLUG")
        ask.add_argument("expected", metavar="TENANT", help="tenant ID at Microsoft, or a domain")
        ask.add_argument("--given", action="store_true", help="consent was given before: try it")
        rules = commands.add_parser("rules", help="choose the rules of engagement")
        rules.add_argument("slug", metavar="SLUG")
        rules.add_argument("source", metavar="msp|SLUG", help="the MSP's, or a client's to copy")
        for name, meaning in (
            ("test", "ask the vendors now, permission by permission"),
            ("status", "how far it is"),
        ):
            commands.add_parser(name, help=meaning).add_argument("slug", metavar="SLUG")
        start = commands.add_parser("start", help="start in shadow")
        start.add_argument("slugs", metavar="SLUG", nargs="+")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; an expected error is one clear message and exit code 2."""
        try:
            getattr(self, "_" + options["what"])(options, f"operator:{options['actor']}")
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _register(self, options: dict[str, Any], actor: str) -> None:
        names = ("slug", "name", "time_zone", "country", "contact_name", "contact_email")
        details = ClientDetails(**{name: options[name] for name in names})
        row, is_new = actions.register(details, actor=actor)
        self._say(options, f"{row.tenant.name} is {'' if is_new else 'already '}registered.", row)

    def _connect(self, options: dict[str, Any], actor: str) -> None:
        tenant = tenant_by_slug(options["slug"])
        settings = dict(_pair(text) for text in options["setting"])
        secrets = _secrets(options["secrets"])
        with scope.tenant(tenant.id):
            row = actions.current(tenant, actor)
            _, what = actions.connect(
                row, options["connector"], settings=settings, secrets=secrets, actor=actor,
                replaces=options["replace"],
            )  # fmt: skip
        self._say(options, f"{options['connector']} of {tenant.name}: {what}.", row)

    def _disconnect(self, options: dict[str, Any], actor: str) -> None:
        tenant, chosen = tenant_by_slug(options["slug"]), {"connector": options["connector"]}
        if options["name"]:
            chosen["name"] = options["name"]
        with scope.tenant(tenant.id):
            rows = list(Connection.objects.filter(**chosen).order_by("name"))
            if len(rows) != 1:
                names = ", ".join(row.name for row in rows) or "none"
                raise CommandError(
                    f"{tenant.slug} has {len(rows)} such connections ({names}): --name says which.",
                    returncode=2,
                )
            stops = stopping.of(rows[0])
            if options["yes"]:
                actions.disconnect(rows[0], reason=options["reason"], actor=actor)
        if options["json"]:
            told = {**_stops_json(stops), "removed": options["yes"]}
            self.stdout.write(json.dumps(told, indent=2, ensure_ascii=False))
        elif options["yes"]:
            self.stdout.write(f"{rows[0].name} of {tenant.name} is removed.")
        else:
            for what, named in _stops_json(stops).items():
                self.stdout.write(f"{what.replace('_', ' ')}: {', '.join(named) or 'nothing'}")
            self.stdout.write("Nothing is removed yet: --yes --reason WHY does it.")

    def _consent(self, options: dict[str, Any], actor: str) -> None:
        tenant = tenant_by_slug(options["slug"])
        with scope.tenant(tenant.id):
            row = actions.current(tenant, actor)
            if options["given"]:
                consent.try_without_asking(row, options["expected"], actor=actor)
                told = "The consent that was given before is being tried."
            else:
                told = consent.ask(row, options["expected"], actor=actor)
        self.stdout.write(json.dumps({"consent": told}) if options["json"] else told)

    def _rules(self, options: dict[str, Any], actor: str) -> None:
        tenant, wanted = tenant_by_slug(options["slug"]), options["source"]
        source = None if wanted == "msp" else tenant_by_slug(wanted)
        with scope.tenant(tenant.id):
            row = actions.current(tenant, actor)
            actions.choose_rules(row, source, actor=actor)
        self._say(options, f"Rules of {tenant.name}: {row.get_rules_display()}.", row)

    def _start(self, options: dict[str, Any], actor: str) -> None:
        """Start each client that is ready; one that isn't keeps no other from it."""
        tenants = [tenant_by_slug(slug) for slug in options["slugs"]]
        refused = []
        for tenant in tenants:
            try:
                with scope.tenant(tenant.id):
                    row = actions.current(tenant, actor)
                    actions.finish(row, actor=actor)
            except HoldfastError as error:
                refused.append(f"{tenant.slug}: {error}" if len(tenants) > 1 else str(error))
            else:
                self._say(options, f"{tenant.name} has started in {tenant.playbook_mode}.", row)
        if refused:
            raise CommandError("\n".join(refused), returncode=2)

    def _test(self, options: dict[str, Any], actor: str) -> None:
        tenant = tenant_by_slug(options["slug"])
        with scope.tenant(tenant.id):
            rows = list(Connection.objects.order_by("name"))
        if not rows:
            raise CommandError(
                f"Nothing is connected at {tenant.slug} yet: onboard connect comes first.",
                returncode=2,
            )
        told = [self._tested(tenant, row) for row in rows]
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=2, ensure_ascii=False))
        else:
            for one in told:
                self.stdout.write(f"{one['connector']}: {one['seen'] or one['error']}")
                for tried in one["permissions"]:
                    self.stdout.write(
                        f"    {tried['outcome']:9} {tried['permission']}  {tried['words']}".rstrip()
                    )
        if any(one["error"] or _lacks(one) for one in told):
            raise SystemExit(_SOMETHING_IS_LEFT)

    def _tested(self, tenant: Tenant, row: Connection) -> dict[str, Any]:
        try:
            seen, tried = testing.try_permissions(tenant.id, row.id)
        except HoldfastError as error:
            return {"connector": row.connector, "seen": "", "error": str(error), "permissions": []}
        return {
            "connector": row.connector,
            "seen": seen,
            "error": "",
            "permissions": [
                {"permission": one.permission, "outcome": one.outcome, "words": one.words}
                for one in tried
            ],
        }

    def _status(self, options: dict[str, Any], actor: str) -> None:
        tenant = tenant_by_slug(options["slug"])
        with scope.tenant(tenant.id):
            told = progress.of(tenant)
        if options["json"]:
            self.stdout.write(json.dumps(progress.as_json(told), indent=2, ensure_ascii=False))
            return
        for step in told.steps:
            self.stdout.write(f"{step.state:8} {step.title}  {step.words}".rstrip())

    def _file(self, options: dict[str, Any], actor: str) -> None:
        rows = csv_file.take(_bytes(options["file"]), actor=actor)
        if options["test"]:
            testing.try_rows(rows)
        if options["json"]:
            told = [row.as_json() for row in rows]
            self.stdout.write(json.dumps(told, indent=2, ensure_ascii=False))
        else:
            for row in rows:
                done = "; ".join(row.did) or "not done"
                self.stdout.write(f"row {row.number} {row.slug}: {done}")
                for one in row.problems:
                    place = f"column {one.field}: " if one.field else ""
                    self.stdout.write(f"    {place}{one.words}")
                if row.consent_url:
                    self.stdout.write(f"    for the client's administrator: {row.consent_url}")
        if not all(row.is_ok for row in rows):
            raise SystemExit(_SOMETHING_IS_LEFT)

    def _template(self, options: dict[str, Any], actor: str) -> None:
        self.stdout.write(csv_file.template(), ending="")

    def _relationships(self, options: dict[str, Any], actor: str) -> None:
        found = relationships.listed()
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
            return
        for one in found:
            may = "may consent" if one["may_consent"] else "may not consent"
            self.stdout.write(
                f"{one['status']:16} {one['ends_at'][:10]:10} {one['tenant_id']} {one['client']}, "
                f"{may}"
            )

    def _renew(self, options: dict[str, Any], actor: str) -> None:
        number = sum(actions.renew_shared(one, actor=actor) for one in Tenant.objects.all())
        told = {"renewed": number}
        self.stdout.write(json.dumps(told) if options["json"] else f"{number} connections renewed.")

    def _say(self, options: dict[str, Any], words: str, row: Onboarding) -> None:
        if not options["json"]:
            self.stdout.write(words)
            return
        with scope.tenant(row.tenant_id):
            told = progress.as_json(progress.of(Tenant.objects.get(id=row.tenant_id)))
        self.stdout.write(json.dumps(told, indent=2, ensure_ascii=False))


def _lacks(told: dict[str, Any]) -> bool:
    return any(one["outcome"] in ("missing", "failed") for one in told["permissions"])


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise HoldfastError(f"--setting {text!r} is not NAME=VALUE.")
    return name, value


def _secrets(path: str | None) -> dict[str, str]:
    """Read secrets from a file: on the command line every user of the machine would see them."""
    if path is None:
        return {}
    try:
        told = json.loads(_bytes(path))
    except ValueError:
        told = None
    if not isinstance(told, dict) or not all(isinstance(one, str) for one in told.values()):
        raise HoldfastError('--secrets is no JSON object of texts, such as {"client_secret": "…"}.')
    return told


def _bytes(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(csv_file.LARGEST_BYTES + 1)
    try:
        with Path(path).open("rb") as file:
            return file.read(csv_file.LARGEST_BYTES + 1)
    except OSError as error:
        raise HoldfastError(f"{path} can't be read: {error.strerror}.") from None


def _stops_json(stops: Stops) -> dict[str, list[str]]:
    return {
        "read_no_more": stops.feeds,
        "nothing_else_can": stops.actions,
        "plans_withdrawn": [
            f"{plan.case}: {plan.document['playbook']['title']}" for plan in stops.plans
        ],
        "undone_no_more": [spoken(step) for step in stops.done],
        "marked_as_gone": [f"{number} {word}" for word, number in stops.known.items()],
    }
