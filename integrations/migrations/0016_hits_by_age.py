from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0015_own_address'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='rulehit',
            index=models.Index(fields=['tenant', 'at'], name='hit_by_age'),
        ),
    ]
