"""Which version of a playbook holds for whom; bringing versions in and back."""

import pytest
from django.db import ProgrammingError, transaction

from playbooks import library
from playbooks.adoption import activation, importing
from playbooks.adoption.versions import playbook_of, remember
from playbooks.errors import PlaybookError
from playbooks.models import PlaybookVersion
from tenants import scope
from tenants.models import LedgerEntry
from tests.playbooks.cases import CONTAIN
from tests.playbooks.samples import facts

pytestmark = pytest.mark.django_db
ANN = "technician:ann"


def _changed(version: str = "99", title: str = "Contain it our way") -> str:
    ours = library.get(CONTAIN)
    source = ours.source.replace(f'version: "{ours.version}"', f'version: "{version}"', 1)
    return source.replace(f"title: {ours.title}", f"title: {title}", 1)


def _import(text: str, mode: str = "automatic") -> None:
    version = importing.keep(importing.check(text))
    activation.activate(version, mode, actor=ANN)


def test_without_an_activation_the_library_holds_in_the_tenants_mode(in_tenant) -> None:
    held = activation.in_force(CONTAIN)
    assert held.playbook == library.get(CONTAIN)
    assert held.mode == "automatic"


def test_the_newest_activation_holds_and_stands_in_the_ledger(in_tenant) -> None:
    activation.set_mode(CONTAIN, "approve", actor=ANN)
    activation.set_mode(CONTAIN, "shadow", actor=ANN, reason="a new director")
    assert activation.in_force(CONTAIN).mode == "shadow"
    entry = LedgerEntry.objects.filter(kind="playbook.activated").latest("id")
    assert (entry.actor, entry.body["reason"]) == (ANN, "a new director")
    assert entry.body["mode_before"] == "approve"


def test_an_unknown_mode_is_refused(in_tenant) -> None:
    with pytest.raises(PlaybookError, match="none of: shadow, approve, automatic"):
        activation.set_mode(CONTAIN, "wild", actor=ANN)


def test_an_imported_version_holds_only_where_it_is_activated(in_tenant, other_tenant) -> None:
    _import(_changed())
    assert activation.in_force(CONTAIN).playbook.title == "Contain it our way"
    with scope.tenant(other_tenant.id):
        assert activation.in_force(CONTAIN).playbook == library.get(CONTAIN)


def test_an_earlier_version_can_be_restored(in_tenant) -> None:
    _import(_changed())
    ours = library.get(CONTAIN)
    version = importing.find_version(CONTAIN, str(ours.version))
    activation.activate(version, "approve", actor=ANN)
    assert activation.in_force(CONTAIN).playbook == ours


def test_an_import_shows_what_is_different(in_tenant) -> None:
    difference = importing.check(_changed()).difference
    assert "+title: Contain it our way" in difference
    assert f"-title: {library.get(CONTAIN).title}" in difference


def test_a_known_version_can_not_get_another_content(in_tenant) -> None:
    _import(_changed())
    with pytest.raises(PlaybookError, match="version 99 is known with another content"):
        importing.check(_changed(title="Something else"))


def test_a_golden_case_that_fails_is_refused(in_tenant) -> None:
    source = (
        _changed()
        .replace("at_most: 10", "at_most: 1")
        .replace("uses: identity.revoke_sessions", "uses: identity.disable_sign_in")
    )
    with pytest.raises(PlaybookError, match="golden case"):
        importing.check(source)


def test_an_imported_playbook_with_its_own_id_is_chosen(in_tenant) -> None:
    takeover = library.get("investigate-account-takeover")
    source = takeover.source.replace(f"id: {takeover.id}", "id: a-look-of-our-own", 1)
    before = activation.choose_investigation(facts())
    assert before is not None
    assert before.id != "a-look-of-our-own"
    _import(source)
    chosen = activation.choose_investigation(facts())
    assert chosen is not None
    assert chosen.id == "a-look-of-our-own"


def test_activations_go_from_one_client_to_another(in_tenant, other_tenant) -> None:
    _import(_changed(), "approve")
    document = importing.export_activations()
    with scope.tenant(other_tenant.id):
        importing.apply_activations(document, actor=ANN)
        held = activation.in_force(CONTAIN)
    assert (held.playbook.title, held.mode) == ("Contain it our way", "approve")


def test_a_document_whose_source_was_changed_is_refused(in_tenant) -> None:
    _import(_changed())
    document = importing.export_activations()
    document["activations"][0]["source"] += "# changed\n"
    with pytest.raises(PlaybookError, match=r"another content|not what its hash says"):
        importing.apply_activations(document, actor=ANN)


def test_a_version_whose_source_was_changed_is_not_used(in_tenant) -> None:
    """Versions are named by their hash: what a row holds has to be what its hash says."""
    kept = remember(library.get("contain-cloud-account"))
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        PlaybookVersion.objects.filter(sha256=kept.sha256).update(source="x")
    kept.source = kept.source.replace("identity.revoke_sessions", "identity.reset_password", 1)
    with pytest.raises(PlaybookError, match="was changed in the database"):
        playbook_of(kept)


def test_a_client_in_shadow_stays_so_where_only_a_routine_acts(in_tenant) -> None:
    for held in activation.playbooks().values():
        activation.set_mode(held.playbook.id, "shadow", actor=ANN)
    assert activation.only_watches()
    activation.set_mode("offboard-leaver", "automatic", actor=ANN)
    assert activation.only_watches()
    activation.set_mode(CONTAIN, "approve", actor=ANN)
    assert not activation.only_watches()
