"""Gaps of a SIEM: which are gone since the audit before, and which somebody accepted."""

import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
from tenants.rls import protect


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0019_placeholders_of_packs"),
        ("tenants", "0016_short_names_of_computers"),
    ]

    operations = [
        migrations.AddField(
            model_name="siemaudit",
            name="gone",
            field=models.JSONField(
                default=list, help_text="gaps of the audit before that are none now"
            ),
        ),
        migrations.CreateModel(
            name="SiemAcceptance",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=16)),
                ("subject", models.TextField()),
                ("reason", models.TextField()),
                ("actor", models.CharField(max_length=200)),
                ("at", models.DateTimeField()),
                ("until", models.DateField(help_text="from this day on it is a gap again")),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("ended_by", models.CharField(blank=True, max_length=200)),
                ("connection", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="integrations.connection")),
                ("tenant", models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant")),
            ],
            options={
                "ordering": ["-at"],
                "indexes": [models.Index(fields=["tenant", "connection"], name="siem_accepted")],
            },
        ),
        protect("integrations_siemacceptance"),
    ]
