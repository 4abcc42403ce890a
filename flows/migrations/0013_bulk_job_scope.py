from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0012_trigger_evaluations"),
    ]

    operations = [
        migrations.AddField(
            model_name="bulkjob",
            name="door",
            field=models.CharField(db_default="CONSOLE", default="CONSOLE", max_length=16),
        ),
        migrations.AddField(
            model_name="bulkjob",
            name="token_id",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
    ]
