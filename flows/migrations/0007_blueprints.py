"""A table for the flows that people save as blueprints."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("flows", "0006_browser_sessions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Blueprint",
            fields=[
                ("id", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=150)),
                ("description", models.TextField(blank=True, default="")),
                ("tags", models.JSONField(blank=True, default=list)),
                ("included_tasks", models.JSONField(blank=True, default=list)),
                ("source", models.TextField()),
                ("saved_by", models.CharField(blank=True, default="", max_length=254)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["title", "id"],
            },
        ),
    ]
