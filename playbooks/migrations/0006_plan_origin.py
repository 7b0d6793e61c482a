from django.db import migrations, models
import django.db.models.deletion

# The owner is under row-level security too, and has no tenant here.
_FILL = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE playbooks_plan NO FORCE ROW LEVEL SECURITY;
WITH RECURSIVE chain (id, first) AS (
    SELECT id, id FROM playbooks_plan WHERE replaces_id IS NULL
    UNION ALL
    SELECT later.id, chain.first
      FROM playbooks_plan later JOIN chain ON later.replaces_id = chain.id
)
UPDATE playbooks_plan SET origin_id = chain.first FROM chain
 WHERE playbooks_plan.id = chain.id AND chain.first <> chain.id;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE playbooks_plan FORCE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('playbooks', '0005_step_unanswered_at'),
    ]

    operations = [
        migrations.AddField(
            model_name='plan',
            name='origin',
            field=models.ForeignKey(blank=True, help_text='the first of the plans that it was made instead of, one after the other', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='playbooks.plan'),
        ),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
    ]
