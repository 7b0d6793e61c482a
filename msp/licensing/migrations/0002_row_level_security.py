from django.db import migrations

from tenants.rls import append_only, protect

TABLES = ['licensing_seat', 'licensing_seatcount']
APPEND_ONLY = ['licensing_seat']


class Migration(migrations.Migration):
    dependencies = [("licensing", "0001_initial")]

    operations = [
        *(protect(table) for table in TABLES),
        *(append_only(table) for table in APPEND_ONLY),
    ]
