"""What is known of attackers, where clients met it, and who may attack each."""

import django.contrib.postgres.fields
import django.db.models.deletion
import tenants.models.base
from django.db import migrations, models

from tenants.rls import append_only, protect


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0008_removed_connections'),
        ('tenants', '0013_taken_again'),
    ]

    operations = [
        migrations.CreateModel(
            name='Indicator',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('source', models.CharField(max_length=100)),
                ('external_id', models.CharField(max_length=300)),
                ('entity', models.CharField(blank=True, help_text='such as ip:203.0.113.9', max_length=400)),
                ('told', models.TextField(help_text='as the source tells it')),
                ('title', models.CharField(blank=True, max_length=300)),
                ('confidence', models.PositiveSmallIntegerField(help_text='percent')),
                ('valid_from', models.DateTimeField(null=True)),
                ('expires_at', models.DateTimeField(help_text='empty: never', null=True)),
                ('is_revoked', models.BooleanField(default=False)),
                ('not_matched', models.CharField(blank=True, help_text='why it is not looked for', max_length=300)),
                ('added_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['-added_at', 'id'],
                'indexes': [models.Index(fields=['entity'], name='indicator_entity')],
                'constraints': [models.UniqueConstraint(fields=('source', 'external_id', 'entity'), name='indicator_once_a_source')],
            },
        ),
        migrations.CreateModel(
            name='Sighting',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('events', models.PositiveIntegerField(default=0)),
                ('cases', models.PositiveIntegerField(default=0)),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('indicator', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sightings', to='integrations.indicator')),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-last_at'],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'indicator'), name='sighting_once')],
            },
        ),
        migrations.CreateModel(
            name='ThreatProfile',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField()),
                ('sector', models.CharField(max_length=40)),
                ('country', models.CharField(blank=True, max_length=2)),
                ('tools', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), default=list, size=None)),
                ('author', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-version'],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'version'), name='threat_profile_version_once')],
            },
        ),
        protect("integrations_sighting"),
        protect("integrations_threatprofile"),
        append_only("integrations_threatprofile"),
    ]
