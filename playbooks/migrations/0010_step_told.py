"""What a technician saw at the vendor of a step that could not be settled."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("playbooks", "0009_step_held")]

    operations = [
        migrations.AddField(
            model_name="step",
            name="told",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="what a technician saw at the vendor, where it is not known what became "
                "of it",
            ),
        ),
    ]
