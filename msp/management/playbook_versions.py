"""The part of ``manage.py playbook`` about versions: in, out, back, and for which clients."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import OutputWrapper
from django.db import transaction

from msp.management import playbook_files
from msp.management.files import read_text
from playbooks import cacao, library
from playbooks.adoption import activation, agreement, importing
from playbooks.adoption.agreement import ORDER
from playbooks.models import PlaybookVersion
from tenants import scope
from tenants.errors import HoldfastError
from tenants.models import PlaybookMode, Tenant
from tenants.selectors import tenant_by_slug

_ACTOR = "command line"
_WHY = "for the ledger; lets it go further than practice has shown"
_LARGEST_ACTIVATIONS = 64 * 1024 * 1024
Adder = Callable[..., argparse.ArgumentParser]


def add_commands(add: Adder) -> None:
    """Add the subcommands; `add` makes the parser of one."""
    add("versions", help="every version that is known").add_argument("id")
    bringing = add("import", help="check and keep a playbook file (.yaml, or CACAO as .json)")
    bringing.add_argument("file", type=Path)
    bringing.add_argument("--activate", action="append", default=[], metavar="SLUG")
    bringing.add_argument("--mode", choices=PlaybookMode.values, default=PlaybookMode.SHADOW)
    bringing.add_argument("--reason", default="", help=_WHY)
    bringing.add_argument("--dry-run", action="store_true", help="do it, say it, take it back")
    for name, text in (
        ("restore", "let an earlier version hold for a client, in the mode it has"),
        ("activate", "let a version hold for a client in a mode"),
    ):
        parser = add(name, help=text)
        parser.add_argument("id")
        parser.add_argument("version", metavar="VERSION", help="its number, or its hash")
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--reason", default="", help=_WHY)
        if name == "activate":
            parser.add_argument("--mode", choices=PlaybookMode.values, required=True)
    listing = add("activations", help="what holds for a client; --json to apply it to others")
    listing.add_argument("slug")
    listing.add_argument("--json", action="store_true")
    applying = add("apply-activations", help="let a client's activations hold for others")
    applying.add_argument("file", type=Path)
    applying.add_argument("slugs", nargs="+", metavar="SLUG")
    applying.add_argument("--reason", default="", help=_WHY)
    exporting = add("export", help="print a playbook for others")
    playbook_files.add_choice(exporting)
    exporting.add_argument("--format", choices=("cacao", "yaml"), default="cacao")


def handlers() -> Mapping[str, Callable[[dict[str, Any], OutputWrapper], None]]:
    """Return what does each subcommand."""
    return {
        "versions": _versions,
        "import": _import,
        "restore": _activate,
        "activate": _activate,
        "activations": _activations,
        "apply-activations": _apply,
        "export": _export,
    }


def _versions(options: dict[str, Any], out: OutputWrapper) -> None:
    known = importing.known_versions(options["id"])
    if not known:
        library.get(options["id"])
    for sha256, version, _ in known:
        out.write(f"{version:12} {sha256}")


def _import(options: dict[str, Any], out: OutputWrapper) -> None:
    path = options["file"]
    with transaction.atomic():
        # Who it is for is looked up first: a wrong name must leave nothing behind.
        tenants = [tenant_by_slug(slug) for slug in options["activate"]]
        checked = playbook_files.check_import(path)
        version = importing.keep(checked)
        difference = checked.difference
        out.write(difference or "Nothing differs from the newest version, or it is the first.")
        out.write(f"Kept {version} (sha256 {version.sha256}).")
        for tenant in tenants:
            ahead = _check_practice(tenant, version, options["mode"], options["reason"])
            reason = options["reason"] or f"imported from {path.name}"
            _hold(tenant, version, options["mode"], reason, out)
            _warn(tenant, ahead, out)
        if options["dry_run"]:
            transaction.set_rollback(True)
            out.write("Dry run: nothing of this was kept.")


def _activate(options: dict[str, Any], out: OutputWrapper) -> None:
    tenant = tenant_by_slug(options["tenant"])
    version = importing.find_version(options["id"], options["version"])
    mode, ahead = options.get("mode"), ""
    if mode is None:
        with scope.tenant(tenant.id):
            mode = activation.in_force(options["id"]).mode
    else:
        ahead = _check_practice(tenant, version, mode, options["reason"])
    _hold(tenant, version, mode, options["reason"], out)
    _warn(tenant, ahead, out)


def _warn(tenant: Tenant, ahead: str, out: OutputWrapper) -> None:
    """Say plainly that a playbook may now do more than practice has shown."""
    if ahead:
        out.write(
            f"Warning: {tenant.slug}: it goes further than practice has shown: {ahead} "
            "Your reason is kept in the ledger."
        )


def _check_practice(tenant: Tenant, version: PlaybookVersion, mode: str, reason: str) -> str:
    """Refuse to let a playbook go further than practice has shown, unless somebody says why.

    Returns what practice lacks; empty where it is enough.
    """
    with scope.tenant(tenant.id):
        held = activation.playbooks().get(version.playbook_id)
    return _check_against(held, tenant, version, mode, reason)


def _check_against(
    held: activation.InForce | None,
    tenant: Tenant,
    version: PlaybookVersion,
    mode: str,
    reason: str,
) -> str:
    with scope.tenant(tenant.id):
        goes_further = held is None or ORDER.index(PlaybookMode(mode)) > ORDER.index(
            PlaybookMode(held.mode)
        )
        missing = agreement.why_not(mode, agreement.measure(version.sha256))
    if goes_further and missing and not reason.strip():
        raise HoldfastError(
            f"{tenant.slug}: {missing} Let it run in shadow first, or say with --reason why it may "
            "go further than practice has shown."
        )
    return missing if goes_further else ""


def _hold(
    tenant: Tenant, version: PlaybookVersion, mode: str, reason: str, out: OutputWrapper
) -> None:
    with scope.tenant(tenant.id):
        before = activation.playbooks().get(version.playbook_id)
        activation.activate(version, mode, actor=_ACTOR, reason=reason)
    held = f"version {before.playbook.version}, mode {before.mode}" if before else "none"
    out.write(f"{tenant.slug}: {version} holds, mode {mode} (before: {held}).")


def _activations(options: dict[str, Any], out: OutputWrapper) -> None:
    with scope.tenant(tenant_by_slug(options["slug"]).id):
        if options["json"]:
            out.write(json.dumps(importing.export_activations(), indent=2))
            return
        for playbook_id, held in activation.playbooks().items():
            out.write(f"{playbook_id:32} {held.playbook.version:8} {held.mode}")


def _apply(options: dict[str, Any], out: OutputWrapper) -> None:
    try:
        document = json.loads(read_text(options["file"], _LARGEST_ACTIVATIONS))
    except (ValueError, RecursionError) as error:
        raise HoldfastError(f"{options['file']} is not JSON: {str(error)[:100]}.") from None
    with transaction.atomic():
        for tenant in [tenant_by_slug(slug) for slug in options["slugs"]]:
            with scope.tenant(tenant.id):
                before = activation.playbooks()
                made = importing.apply_activations(
                    document, actor=_ACTOR, reason=options["reason"] or "taken from a document"
                )
            for row in made:
                held = before.get(row.playbook_id)
                ahead = _check_against(held, tenant, row.version, row.mode, options["reason"])
                _warn(tenant, f"{row.playbook_id}: {ahead}" if ahead else "", out)
            out.write(f"{tenant.slug}: {len(made)} activations hold.")


def _export(options: dict[str, Any], out: OutputWrapper) -> None:
    playbook = playbook_files.chosen(options)
    if options["format"] == "yaml":
        out.write(playbook.source)
    else:
        out.write(cacao.write(cacao.export(playbook)))
