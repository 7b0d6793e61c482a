from django.db import migrations

from tenants.rls import append_only, protect

TABLES = ['integrations_connection', 'integrations_feedstate']
APPEND_ONLY = []


class Migration(migrations.Migration):
    dependencies = [("integrations", "0001_initial")]

    operations = [
        *(protect(table) for table in TABLES),
        *(append_only(table) for table in APPEND_ONLY),
    ]
