"""What a client asks of closed cases, how each kept to it, and second opinions."""

import django.core.validators
import django.db.models.deletion
import tenants.models.base
from django.db import migrations, models

from tenants.rls import append_only, protect


class Migration(migrations.Migration):

    dependencies = [
        ('playbooks', '0013_user_questions'),
        ('tenants', '0013_taken_again'),
    ]

    operations = [
        migrations.CreateModel(
            name='CaseProcess',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField()),
                ('least_evidence', models.PositiveSmallIntegerField(default=80, help_text='percent of the questions that were answered', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)])),
                ('acknowledge_minutes', models.PositiveIntegerField(default=240)),
                ('decide_minutes', models.PositiveIntegerField(default=480)),
                ('close_minutes', models.PositiveIntegerField(default=4320)),
                ('sample_percent', models.PositiveSmallIntegerField(default=10, help_text='of closed cases a second technician looks at', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)])),
                ('author', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-version'],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'version'), name='case_process_version_once')],
            },
        ),
        migrations.CreateModel(
            name='CaseQuality',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('closed_at', models.DateTimeField()),
                ('process_version', models.PositiveIntegerField(help_text='0: as it comes with Holdfast')),
                ('items', models.JSONField(help_text='each check: name, title, whether it holds, what was seen')),
                ('is_passed', models.BooleanField()),
                ('is_sampled', models.BooleanField(help_text='a second technician is to look at it')),
                ('verdict', models.CharField(choices=[('true_positive', 'true positive'), ('suspicious', 'Suspicious'), ('benign', 'Benign'), ('false_positive', 'false positive'), ('insufficient_data', 'insufficient data')], help_text='that it closed with', max_length=24)),
                ('reviewer', models.CharField(blank=True, max_length=200)),
                ('review_verdict', models.CharField(blank=True, choices=[('true_positive', 'true positive'), ('suspicious', 'Suspicious'), ('benign', 'Benign'), ('false_positive', 'false positive'), ('insufficient_data', 'insufficient data')], max_length=24)),
                ('review_note', models.TextField(blank=True)),
                ('reviewed_at', models.DateTimeField(null=True)),
                ('case', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quality', to='tenants.case')),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-closed_at'],
                'indexes': [models.Index(fields=['tenant', 'is_passed', '-closed_at'], name='quality_list')],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'case', 'closed_at'), name='quality_once_a_closing')],
            },
        ),
        protect("playbooks_caseprocess"),
        protect("playbooks_casequality"),
        append_only("playbooks_caseprocess"),
    ]
