"""What the verdict table had said of the case that a known-good pattern was made from."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("playbooks", "0015_links_seen_chat_and_absences")]

    operations = [
        migrations.AddField(
            model_name="knowngood",
            name="excuses",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.TextField(),
                default=list,
                help_text="what the verdict table had said of the case, and what it had seen there",
                size=None,
            ),
        ),
    ]
