from django.conf import settings
from django.db import migrations
from dramatiq_postgres import generate_init_sql

_GRANTS = f"""
GRANT USAGE ON SCHEMA dramatiq TO "{settings.DATABASE_APP_ROLE}";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA dramatiq
   TO "{settings.DATABASE_APP_ROLE}";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA dramatiq TO "{settings.DATABASE_APP_ROLE}";
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("tenants", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql=generate_init_sql() + _GRANTS, reverse_sql="DROP SCHEMA dramatiq CASCADE"
        )
    ]
