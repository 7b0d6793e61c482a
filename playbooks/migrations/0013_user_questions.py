"""Whom was asked whether it was them, and what they said."""

import django.db.models.deletion
import tenants.models.base
from django.db import migrations, models

from tenants.rls import protect


class Migration(migrations.Migration):

    dependencies = [
        ('playbooks', '0012_known_good'),
        ('tenants', '0013_taken_again'),
    ]

    operations = [
        migrations.CreateModel(
            name='UserQuestion',
            fields=[
                ('id', models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('recipient', models.EmailField(max_length=254)),
                ('name', models.CharField(max_length=256)),
                ('about', models.CharField(help_text='who may have done it', max_length=320)),
                ('created_by', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('sent_at', models.DateTimeField(null=True)),
                ('send_error', models.TextField(blank=True)),
                ('opened_at', models.DateTimeField(null=True)),
                ('answered_at', models.DateTimeField(null=True)),
                ('answer', models.CharField(blank=True, choices=[('yes', 'yes, it was'), ('no', 'no, it was not'), ('not_sure', 'not sure')], max_length=16)),
                ('comment', models.TextField(blank=True)),
                ('case', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='user_questions', to='tenants.case')),
                ('contact', models.ForeignKey(help_text='empty: the manager, or whoever it is about where no account is in doubt', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tenants.contact')),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['created_at'],
            },
        ),
        protect("playbooks_userquestion"),
    ]
