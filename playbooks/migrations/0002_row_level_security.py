from django.db import migrations

from tenants.rls import append_only, protect

TABLES = ['playbooks_rulesofengagement', 'playbooks_plan', 'playbooks_approval', 'playbooks_run', 'playbooks_step']
APPEND_ONLY = ['playbooks_rulesofengagement']


class Migration(migrations.Migration):
    dependencies = [("playbooks", "0001_initial")]

    operations = [
        *(protect(table) for table in TABLES),
        *(append_only(table) for table in APPEND_ONLY),
    ]
