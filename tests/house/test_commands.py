"""Commands begin at once, and what Django checks of the product is checked here instead."""

import pytest
from django.core import checks
from django.core.management import get_commands, load_command_class

from msp import urls
from msp.product_command import ProductCommand

OWN = {name: app for name, app in get_commands().items() if app.startswith("msp")}


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_command_begins_at_once_and_setup_checks_first(name) -> None:
    command = load_command_class(OWN[name], name)
    assert isinstance(command, ProductCommand) == (name != "setup")


@pytest.mark.django_db
def test_django_finds_nothing_wrong_with_models_addresses_and_pages() -> None:
    assert urls.urlpatterns
    assert checks.run_checks() == []
