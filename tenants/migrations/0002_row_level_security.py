from django.db import migrations

from tenants.rls import append_only, protect

TABLES = ['tenants_person', 'tenants_account', 'tenants_device', 'tenants_mailbox', 'tenants_directoryobject', 'tenants_rawrecord', 'tenants_event', 'tenants_finding', 'tenants_case', 'tenants_evidence', 'tenants_ledgerentry', 'tenants_ledgerseal', 'tenants_secret']
APPEND_ONLY = ['tenants_rawrecord', 'tenants_event', 'tenants_evidence', 'tenants_ledgerentry', 'tenants_ledgerseal']


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        *(protect(table) for table in TABLES),
        *(append_only(table) for table in APPEND_ONLY),
    ]
