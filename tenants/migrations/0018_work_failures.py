from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0017_company_wide_findings'),
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
