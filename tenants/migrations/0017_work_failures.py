from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0016_short_names_of_computers'),
    ]

    operations = [
        migrations.AddField(
            model_name='work',
            name='failures',
            field=models.PositiveIntegerField(default=0, help_text='how many of these ended by an error of its own'),
        ),
        migrations.AlterField(
            model_name='work',
            name='attempts',
            field=models.PositiveIntegerField(default=0, help_text='how often it was begun since it last ended well'),
        ),
    ]
