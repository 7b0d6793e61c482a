from django.db import migrations

# As playbooks/correlation.py names computers since: without their domain, and none that is
# nobody's. The long names stay beside them, where an older version looks for them. Every row stands
# under forced row-level security, also for the owner role, so each tenant is entered in turn.
_FILL = r"""
DO $do$
DECLARE
    one uuid;
BEGIN
    FOR one IN SELECT id FROM tenants_tenant LOOP
        PERFORM set_config('app.tenant', one::text, true);
        INSERT INTO tenants_caseentity (id, tenant_id, case_id, entity)
        SELECT gen_random_uuid(), one, case_id, 'device:' || short
          FROM (
            SELECT case_id, split_part(btrim(substr(entity, 8)), '.', 1) AS short
              FROM tenants_caseentity
             WHERE tenant_id = one AND entity LIKE 'device:%.%'
               AND substr(entity, 8) !~ '^[[:space:]0-9.]+$|:'
          ) AS told
         WHERE short !~ '^[0-]*$' AND short NOT IN (
            '--', '?', 'unknown', 'n/a', 'na', 'none', 'null', '(null)', '<null>', 'nil',
            'undefined', 'unspecified', 'not available', 'not applicable', 'anonymous',
            'anonymous logon', 'localhost', 'localhost4', 'localhost6', 'false', 'true')
        ON CONFLICT DO NOTHING;
    END LOOP;
    PERFORM set_config('app.tenant', '', true);
END
$do$;
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0015_exposed_by_hand")]

    operations = [migrations.RunSQL(_FILL, migrations.RunSQL.noop)]
