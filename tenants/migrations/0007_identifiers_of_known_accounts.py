from django.db import migrations

# As tenants/identifiers.py reads them. Every row stands under forced row-level security, also for
# the owner role, so each tenant is entered in turn.
_FILL = r"""
DO $do$
DECLARE
    one uuid;
    is_address CONSTANT text := '^[^@[:space:]\\/:;,<>()"]+@[^@[:space:]\\/:;,<>()"]+$';
BEGIN
    FOR one IN SELECT id FROM tenants_tenant LOOP
        PERFORM set_config('app.tenant', one::text, true);
        UPDATE tenants_account AS account SET own_person_id = account.person_id
          FROM (SELECT DISTINCT ON (person_id) id FROM tenants_account
                 WHERE person_id IS NOT NULL ORDER BY person_id, first_seen_at, id) AS eldest
         WHERE account.id = eldest.id;
        INSERT INTO tenants_accountidentifier
            (id, tenant_id, account_id, kind, value, is_own, is_current, first_seen_at)
        SELECT gen_random_uuid(), one, account, kind, value, bool_or(is_own), true, min(at)
          FROM (
            SELECT id AS account, 'address' AS kind, lower(btrim(told)) AS value, true AS is_own,
                   first_seen_at AS at
              FROM tenants_account, unnest(ARRAY[username, email]) AS told
             WHERE btrim(told) ~ is_address
            UNION ALL
            SELECT id, 'address', lower(btrim(told)), false, first_seen_at
              FROM tenants_account, jsonb_array_elements_text(
                   CASE jsonb_typeof(attributes -> 'aliases') WHEN 'array'
                        THEN attributes -> 'aliases' ELSE '[]'::jsonb END) AS told
             WHERE btrim(told) ~ is_address AND length(told) <= 320
            UNION ALL
            SELECT id, 'sid', upper(on_premises_sid), true, first_seen_at
              FROM tenants_account
             WHERE upper(on_premises_sid) ~ '^S-1-5-21(-[0-9]{1,10}){4,}$'
            UNION ALL
            SELECT id, 'immutable_id', lower(external_id), true, first_seen_at
              FROM tenants_account
             WHERE external_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
          ) AS told
         GROUP BY account, kind, value
        ON CONFLICT DO NOTHING;
    END LOOP;
    PERFORM set_config('app.tenant', '', true);
END
$do$;
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0006_people_and_matches")]

    operations = [migrations.RunSQL(_FILL, migrations.RunSQL.noop)]
