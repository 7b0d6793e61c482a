"""A count over all clients, so that one client's case can say "seen at three others" and no more."""

from django.conf import settings
from django.db import migrations

# The reading scope is put back before it returns, and by the rollback where it fails. Only what
# points at an attacker is looked for, and nothing is told where there are few other clients.
_COUNT = """
CREATE FUNCTION holdfast_clients_with_indicators(indicators text[], since timestamptz)
RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    own uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    readable text := coalesce(current_setting('app.tenants', true), '');
    found integer;
BEGIN
    IF own IS NULL THEN
        RAISE EXCEPTION 'this needs the scope of one tenant';
    END IF;
    IF (SELECT count(*) FROM tenants_tenant WHERE id <> own AND is_active) < 3 THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('app.tenants', '*', true);
    SELECT count(DISTINCT tenant_id) INTO found FROM tenants_case
     WHERE tenant_id <> own AND opened_at >= since
       AND entities && (SELECT coalesce(array_agg(one::varchar), '{}')
                          FROM unnest(indicators) AS one
                         WHERE one ~ '^(ip|domain|url|file|sender):.');
    PERFORM set_config('app.tenants', readable, true);
    RETURN found;
END $$;
"""
_SIGNATURE = "holdfast_clients_with_indicators(text[], timestamptz)"


class Migration(migrations.Migration):
    dependencies = [("playbooks", "0010_step_told"), ("tenants", "0013_taken_again")]

    operations = [
        migrations.RunSQL(
            sql=[
                _COUNT,
                f"REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC;",
                f'GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO "{settings.DATABASE_APP_ROLE}";',
            ],
            reverse_sql=f"DROP FUNCTION {_SIGNATURE};",
        )
    ]
