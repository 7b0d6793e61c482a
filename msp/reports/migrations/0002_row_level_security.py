from django.db import migrations

from tenants.rls import append_only, protect

TABLES = ['reports_report']
APPEND_ONLY = ['reports_report']


class Migration(migrations.Migration):
    dependencies = [("reports", "0001_initial")]

    operations = [
        *(protect(table) for table in TABLES),
        *(append_only(table) for table in APPEND_ONLY),
    ]
