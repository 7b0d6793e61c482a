"""Migration operations that put a table under row-level security.

Every table with a tenant uses `protect`; `append_only` also takes UPDATE and DELETE from the
application's role, so that not even a bug can rewrite history.
"""

from django.conf import settings
from django.db import migrations

_TENANT = "(SELECT nullif(current_setting('app.tenant', true), '')::uuid)"
_ALL = "(SELECT coalesce(current_setting('app.tenants', true), '') = '*')"
# The outer cast makes PostgreSQL read this as one array and not as a set of rows.
_LISTED = (
    "(SELECT string_to_array("
    "nullif(nullif(current_setting('app.tenants', true), ''), '*'), ','))::uuid[]"
)


def protect(table: str, column: str = "tenant_id") -> migrations.RunSQL:
    """Return the operation that puts `table` under FORCEd row-level security by `column`."""
    one = f"{column} = {_TENANT}"
    many = f"{one} OR {_ALL} OR {column} = ANY ({_LISTED})"
    return migrations.RunSQL(
        sql=f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_read ON {table} FOR SELECT USING ({many});
        CREATE POLICY tenant_insert ON {table} FOR INSERT WITH CHECK ({one});
        CREATE POLICY tenant_update ON {table} FOR UPDATE USING ({one}) WITH CHECK ({one});
        CREATE POLICY tenant_delete ON {table} FOR DELETE USING ({one});
        """,
        reverse_sql=f"""
        DROP POLICY tenant_read ON {table};
        DROP POLICY tenant_insert ON {table};
        DROP POLICY tenant_update ON {table};
        DROP POLICY tenant_delete ON {table};
        ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
        """,
    )


def append_only(table: str) -> migrations.RunSQL:
    """Return the operation that lets the application's role only read and insert in `table`."""
    role = settings.DATABASE_APP_ROLE
    return migrations.RunSQL(
        sql=f'REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM "{role}";',
        reverse_sql=f'GRANT UPDATE, DELETE ON {table} TO "{role}";',
    )
