"""What technicians said is expected, and the cases that it decided."""

import django.contrib.postgres.fields
import django.db.models.deletion
import tenants.models.base
from django.db import migrations, models

from tenants.rls import append_only, protect


class Migration(migrations.Migration):

    dependencies = [
        ('playbooks', '0011_clients_with_indicators'),
        ('tenants', '0013_taken_again'),
    ]

    operations = [
        migrations.CreateModel(
            name='KnownGood',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('pattern', models.UUIDField(help_text='the same for all versions')),
                ('version', models.PositiveIntegerField()),
                ('is_active', models.BooleanField(default=True)),
                ('title', models.CharField(max_length=200)),
                ('alerts', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=512), help_text='titles of alerts or rules', size=None)),
                ('entities', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=400), help_text='all that they may name', size=None)),
                ('severity_id', models.PositiveSmallIntegerField(choices=[(0, 'Unknown'), (1, 'Informational'), (2, 'Low'), (3, 'Medium'), (4, 'High'), (5, 'Critical'), (6, 'Fatal'), (99, 'Other')], help_text='the highest that an alert may have')),
                ('condition', models.TextField(blank=True, help_text="CEL on the case's facts; empty: none")),
                ('covers_privileged', models.BooleanField(default=False, help_text='also accounts that are privileged or protected')),
                ('approved_by', models.CharField(blank=True, help_text='the second technician, for privileged accounts', max_length=200)),
                ('reason', models.TextField()),
                ('owner', models.CharField(max_length=200)),
                ('created_by', models.CharField(help_text='who said so in the first place', max_length=200)),
                ('actor', models.CharField(help_text='who made this version', max_length=200)),
                ('created_at', models.DateTimeField()),
                ('review_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('from_case', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.case')),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['pattern', '-version'],
            },
        ),
        migrations.CreateModel(
            name='KnownGoodUse',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('instead_of', models.CharField(help_text='what the verdict table had said', max_length=24)),
                ('used_at', models.DateTimeField()),
                ('case', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='known_good_uses', to='tenants.case')),
                ('known_good', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='uses', to='playbooks.knowngood')),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-used_at'],
            },
        ),
        migrations.AddConstraint(
            model_name='knowngood',
            constraint=models.UniqueConstraint(fields=('tenant', 'pattern', 'version'), name='known_good_version_once'),
        ),
        protect("playbooks_knowngood"),
        protect("playbooks_knowngooduse"),
        append_only("playbooks_knowngood"),
        append_only("playbooks_knowngooduse"),
    ]
