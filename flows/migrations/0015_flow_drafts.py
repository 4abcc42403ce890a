from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0014_paused_task_runs"),
    ]

    operations = [
        migrations.AddField(
            model_name="flow",
            name="draft_revision",
            field=models.PositiveIntegerField(
                blank=True, help_text="A draft that is newer than the published revision; null means none.", null=True
            ),
        ),
        migrations.AddField(
            model_name="flowrevision",
            name="draft",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddConstraint(
            model_name="flow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("draft_revision__isnull", True), ("draft_revision__gt", models.F("revision")), _connector="OR"
                ),
                name="draft_is_newer_than_published",
            ),
        ),
    ]
