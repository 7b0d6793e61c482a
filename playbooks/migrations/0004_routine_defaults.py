import django.db.models.deletion
import tenants.models.base
from django.db import migrations, models

from tenants.rls import append_only, protect


class Migration(migrations.Migration):
    dependencies = [
        ("playbooks", "0003_engine"),
        ("tenants", "0005_routine_request"),
    ]

    operations = [
        migrations.CreateModel(
            name="RoutineDefaults",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("playbook_id", models.CharField(max_length=100)),
                ("inputs", models.JSONField(default=dict)),
                ("actor", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("tenant", models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant")),
            ],
            options={
                "verbose_name_plural": "defaults of routines",
                "ordering": ["-created_at", "-id"],
                "indexes": [models.Index(fields=["tenant", "playbook_id"], name="routine_defaults_of")],
            },
        ),
        protect("playbooks_routinedefaults"),
        append_only("playbooks_routinedefaults"),
    ]
