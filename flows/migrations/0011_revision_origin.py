from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("flows", "0010_bulk_jobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="flowrevision",
            name="origin",
            field=models.CharField(
                blank=True,
                choices=[
                    ("CONSOLE", "console"),
                    ("API", "API"),
                    ("COMMAND", "command line"),
                    ("IMPORT", "import"),
                    ("ADMIN", "administration"),
                    ("ENGINE", "platform"),
                ],
                db_default="",
                default="",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="flowrevision",
            name="message",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Why it was saved, in the words of who did it.",
                max_length=500,
            ),
        ),
    ]
