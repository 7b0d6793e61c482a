from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0018_aging_and_warnings'),
    ]

    operations = [
        migrations.AddField(
            model_name='rulepack',
            name='placeholders',
            field=models.JSONField(default=dict, help_text='the values of each, by its name'),
        ),
    ]
