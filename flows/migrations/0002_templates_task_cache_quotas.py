"""Templates with their revisions, results of tasks that may be used again, and the starts that quotas count."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0001_first_schema"),
    ]

    operations = [
        migrations.CreateModel(
            name="CachedResult",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("namespace", models.CharField(max_length=150)),
                ("flow_id", models.CharField(max_length=100)),
                ("task_id", models.CharField(max_length=200)),
                ("execution_id", models.CharField(help_text="The execution whose task run made the result.", max_length=32)),
                ("outputs", models.JSONField(null=True)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("expires_at__isnull", False)), fields=["expires_at"], name="cached_result_expiry"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="FlowStart",
            fields=[
                ("execution_id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("namespace", models.CharField(max_length=150)),
                ("flow_id", models.CharField(max_length=100)),
                ("started_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["namespace", "flow_id", "started_at"], name="flow_start_by_time")],
            },
        ),
        migrations.CreateModel(
            name="Template",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("namespace", models.CharField(max_length=150)),
                ("template_id", models.CharField(max_length=100)),
                ("revision", models.PositiveIntegerField(default=1)),
                ("description", models.TextField(blank=True, default="")),
                ("deleted", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["namespace", "template_id"],
                "constraints": [models.UniqueConstraint(fields=("namespace", "template_id"), name="one_template_per_name")],
            },
        ),
        migrations.CreateModel(
            name="TemplateRevision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("revision", models.PositiveIntegerField()),
                ("source", models.TextField()),
                ("saved_by", models.CharField(blank=True, default="", max_length=254)),
                ("created_at", models.DateTimeField()),
                (
                    "template",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="revisions", to="flows.template"),
                ),
            ],
            options={
                "ordering": ["template", "revision"],
                "constraints": [models.UniqueConstraint(fields=("template", "revision"), name="one_template_text_per_revision")],
            },
        ),
    ]
