"""Who saw a question's link, chat channels, absences, and from where a pattern's alerts come."""

import django.contrib.postgres.fields
import django.db.models.deletion
import tenants.models.base
from django.db import migrations, models

from tenants.rls import append_only, protect

# Patterns of before say nothing of connector and rule: their cases' findings do.
_SOURCES = """
SELECT set_config('app.tenants', '*', true);
ALTER TABLE playbooks_knowngood NO FORCE ROW LEVEL SECURITY;
UPDATE playbooks_knowngood k SET sources = coalesce((
    SELECT array_agg(DISTINCT f.connector || CASE WHEN f.uid LIKE 'detection:%'
        THEN ', rule ' || regexp_replace(substr(f.uid, 11), ':[^:]*$', '') ELSE '' END
        || ': ' || f.title)
    FROM tenants_finding f WHERE f.case_id = k.from_case_id AND f.title = ANY (k.alerts)), '{}');
ALTER TABLE playbooks_knowngood FORCE ROW LEVEL SECURITY;
SELECT set_config('app.tenants', '', true);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('playbooks', '0014_case_quality'),
        ('tenants', '0014_merged_cases'),
    ]

    operations = [
        migrations.AddField(
            model_name='knowngood',
            name='sources',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, help_text='each alert with its connector and rule', size=None),
        ),
        migrations.RunSQL(_SOURCES, migrations.RunSQL.noop),
        migrations.AddField(
            model_name='userquestion',
            name='seen_by',
            field=models.CharField(blank=True, help_text='the technician who was shown the link', max_length=200),
        ),
        migrations.AddField(
            model_name='userquestion',
            name='way',
            field=models.CharField(choices=[('mail', 'by mail'), ('chat', "in the client's chat"), ('link', 'by a link to copy')], default='mail', max_length=8),
        ),
        migrations.CreateModel(
            name='Absence',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('on_leave', 'on leave'), ('leaver', 'leaves'), ('present', 'works here')], max_length=16)),
                ('first_day', models.DateField(help_text='of the leave; of a leaver the last day of work')),
                ('last_day', models.DateField(help_text='of the leave; empty: not known', null=True)),
                ('actor', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField()),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='absences', to='tenants.person')),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='ChatChannel',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('teams', 'Microsoft Teams'), ('slack', 'Slack')], max_length=8)),
                ('name', models.CharField(help_text='as its readers know it', max_length=100)),
                ('host', models.CharField(help_text='of its address, which is secret', max_length=255)),
                ('is_active', models.BooleanField(default=True)),
                ('set_by', models.CharField(max_length=200)),
                ('set_at', models.DateTimeField()),
                ('told_at', models.DateTimeField(help_text='when a message last got there', null=True)),
                ('error', models.TextField(blank=True, help_text='why the last message did not get there')),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant',), name='chat_channel_once')],
            },
        ),
        protect("playbooks_absence"),
        protect("playbooks_chatchannel"),
        append_only("playbooks_absence"),
    ]
