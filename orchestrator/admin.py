"""Which admin site the framework makes: ours, which knows rights and takes whom the console's sign-in let in."""

from importlib import import_module

from django.contrib.admin.apps import AdminConfig as StockConfig


class AdminConfig(StockConfig):
    """The admin app with our site as `admin.site`."""

    default = False
    default_site = "flows.admin.site.ConsoleAdminSite"

    def ready(self) -> None:
        """Load our pages before anybody asks for the site: loading them from inside that question would make two of it."""
        import_module("flows.admin")
        super().ready()
