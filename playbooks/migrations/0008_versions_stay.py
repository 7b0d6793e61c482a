from django.db import migrations

from tenants.rls import append_only


class Migration(migrations.Migration):
    """A version is named by its content's hash: no row of it is ever changed."""

    dependencies = [("playbooks", "0007_approval_send_error")]

    operations = [append_only("playbooks_playbookversion")]
