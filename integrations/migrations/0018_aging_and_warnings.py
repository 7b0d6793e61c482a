"""Confidence that ages, what indicators point at, warning lists, and how good each source is."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
import tenants.models.base
from django.db import migrations, models

from tenants.rls import protect


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0017_sources_on_schedule'),
        ('tenants', '0016_short_names_of_computers'),
    ]

    operations = [
        migrations.CreateModel(
            name='NamedThreat',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('source', models.CharField(max_length=100)),
                ('ref', models.CharField(help_text='its id at the source', max_length=100)),
                ('told', models.CharField(help_text='such as malware: Loader', max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name='SourceQuality',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('source', models.CharField(max_length=100)),
                ('attacks', models.PositiveIntegerField(default=0)),
                ('harmless', models.PositiveIntegerField(default=0)),
                ('undecided', models.PositiveIntegerField(default=0)),
                ('counted_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='WarningEntry',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('entity', models.CharField(max_length=401)),
            ],
        ),
        migrations.CreateModel(
            name='WarningList',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200, unique=True)),
                ('kind', models.CharField(choices=[('cidr', 'Cidr'), ('hostname', 'Hostname'), ('string', 'String'), ('substring', 'Substring'), ('regex', 'Regex')], max_length=12)),
                ('version', models.CharField(blank=True, max_length=40)),
                ('about', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), default=list, help_text='kinds that it holds for; empty: all', size=None)),
                ('patterns', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=500), default=list, size=None)),
                ('entries', models.PositiveIntegerField(default=0)),
                ('author', models.CharField(max_length=200)),
                ('added_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.RemoveIndex(
            model_name='indicator',
            name='indicator_entity',
        ),
        migrations.AddField(
            model_name='indicator',
            name='about',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), default=list, help_text='such as malware: Loader', size=None),
        ),
        migrations.AddField(
            model_name='indicator',
            name='also',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=400), default=list, help_text='named by the same event, too', size=None),
        ),
        migrations.AddField(
            model_name='indicator',
            name='seen_at',
            field=models.DateTimeField(default=django.utils.timezone.now, help_text='its confidence ages from then'),
        ),
        migrations.AddField(
            model_name='indicator',
            name='tlp',
            field=models.CharField(blank=True, help_text='how far it may be passed on', max_length=12),
        ),
        migrations.AddField(
            model_name='threatprofile',
            name='own',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=400), default=list, help_text='its domains and addresses', size=None),
        ),
        migrations.AlterField(
            model_name='indicator',
            name='confidence',
            field=models.PositiveSmallIntegerField(help_text='percent, when it was seen last'),
        ),
        migrations.AlterField(
            model_name='indicatorsource',
            name='days',
            field=models.PositiveSmallIntegerField(default=0, help_text='good for, where it tells none; 0: as its kind ages'),
        ),
        migrations.AddIndex(
            model_name='indicator',
            index=models.Index(fields=['entity'], name='indicator_entity', opclasses=['varchar_pattern_ops']),
        ),
        migrations.AddConstraint(
            model_name='namedthreat',
            constraint=models.UniqueConstraint(fields=('source', 'ref'), name='named_threat_once'),
        ),
        migrations.AddField(
            model_name='sourcequality',
            name='tenant',
            field=models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant'),
        ),
        migrations.AddField(
            model_name='warningentry',
            name='warning_list',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='integrations.warninglist'),
        ),
        migrations.AddConstraint(
            model_name='sourcequality',
            constraint=models.UniqueConstraint(fields=('tenant', 'source'), name='source_quality_once'),
        ),
        migrations.AddIndex(
            model_name='warningentry',
            index=models.Index(fields=['entity'], name='warning_entry_entity'),
        ),
        protect("integrations_sourcequality"),
        # What is known already was told last when its row changed last; it goes on as it was kept.
        migrations.RunSQL(
            "UPDATE integrations_indicator SET seen_at = updated_at", migrations.RunSQL.noop
        ),
    ]
