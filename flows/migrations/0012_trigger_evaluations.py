from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("flows", "0011_revision_origin"),
    ]

    operations = [
        migrations.AddField(
            model_name="triggerstate",
            name="evaluation",
            field=models.JSONField(
                blank=True, help_text="The last evaluation: {at, seconds, result, message, executionId}.", null=True
            ),
        ),
    ]
