from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0013_bulk_job_scope"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="taskrun",
            index=models.Index(
                condition=models.Q(("state__in", ["PAUSED", "BREAKPOINT"])), fields=["execution"], name="task_run_paused"
            ),
        ),
    ]
