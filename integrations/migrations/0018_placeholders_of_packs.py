from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0017_sources_on_schedule'),
    ]

    operations = [
        migrations.AddField(
            model_name='rulepack',
            name='placeholders',
            field=models.JSONField(default=dict, help_text='the values of each, by its name'),
        ),
    ]
