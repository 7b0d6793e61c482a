"""What playbooks take by hand, as the MSP declared it: never changed, only declared anew."""

from django.db import migrations, models

from tenants.rls import append_only


class Migration(migrations.Migration):
    dependencies = [("playbooks", "0016_known_good_excuses")]

    operations = [
        migrations.CreateModel(
            name="Baseline",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("playbook_id", models.CharField(max_length=100)),
                ("minutes", models.PositiveSmallIntegerField()),
                ("reason", models.TextField(help_text="where the number comes from")),
                ("author", models.CharField(max_length=200)),
                ("declared_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={"ordering": ["-declared_at", "-id"]},
        ),
        append_only("playbooks_baseline"),
    ]
