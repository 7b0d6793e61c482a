from django.db import migrations, models

# What the investigations told such findings of Holdfast's own rules by, until the rules said it
# themselves. Closed cases may be looked into again, so it is told of their findings too. Each tenant is
# entered in turn, as every row stands under forced row-level security, also for the owner role.
_TITLES = (
    r"conditional.access|access policy|audit log was|federation of|(mail|transport) (connector|rule)"
    r"|trust between domains|(rule for|routing of) all mail|forwarding of mail.*allowed"
    r"|(pop|imap).*allowed for all|policy for sharing|sharing of files outside was"
    r"|calendars of the organisation|partner was given|to another tenant|application was given rights"
    r"|for all domain apps|added to an app|trusted by a managed identity|settings of the company"
    r"|methods of the organisation|authority for certificates|recovery of administrators"
    r"|rules (for activating a|of a privileged) role|passwords (are no longer|may be used)"
    r"|length of sessions|list of allowed addresses"
)
_FILL = f"""
DO $do$
DECLARE
    one uuid;
BEGIN
    FOR one IN SELECT id FROM tenants_tenant LOOP
        PERFORM set_config('app.tenant', one::text, true);
        UPDATE tenants_finding AS told SET is_company_wide = true
         WHERE told.tenant_id = one AND told.uid LIKE 'detection:%'
           AND told.title !~* 'conditional access said no'
           AND (told.title ~* '{_TITLES}'
                OR EXISTS (SELECT 1 FROM unnest(told.techniques) AS technique
                            WHERE technique ~ '^(T1484|T1556\\.00[79]|T1562\\.008)'));
    END LOOP;
    PERFORM set_config('app.tenant', '', true);
END
$do$;
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0016_short_names_of_computers")]

    operations = [
        migrations.AddField(
            model_name="finding",
            name="is_company_wide",
            field=models.BooleanField(
                default=False,
                help_text="whether it tells of a change that holds for the whole company",
            ),
        ),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
    ]
