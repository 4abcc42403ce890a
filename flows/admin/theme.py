"""The only module that knows what the admin site looks like: base classes and widgets of the theme, or of the stock admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime, AdminTextareaWidget, AdminTextInputWidget

from flows.conf import get_settings

IS_STOCK = get_settings().admin_theme == "stock"

BaseSite: Any
BaseModelAdmin: Any
TextInput: Any
Textarea: Any
PasswordInput: Any
CheckboxInput: Any
CheckboxSelectMultiple: Any
Select: Any
SelectMultiple: Any
SplitDateTime: Any


class _StockModelAdmin(admin.ModelAdmin):
    """The framework's class one step lower, where the theme's stands, so that ours can come between."""


if IS_STOCK:
    BaseSite, BaseModelAdmin = admin.AdminSite, _StockModelAdmin
    TextInput, Textarea, PasswordInput = AdminTextInputWidget, AdminTextareaWidget, forms.PasswordInput
    CheckboxInput, CheckboxSelectMultiple = forms.CheckboxInput, forms.CheckboxSelectMultiple
    Select, SelectMultiple, SplitDateTime = forms.Select, forms.SelectMultiple, AdminSplitDateTime
    OBJECT_LINK_TEMPLATE = "admin/flows/partials/object_link.html"
else:
    from unfold import widgets
    from unfold.admin import ModelAdmin as ThemedModelAdmin
    from unfold.sites import UnfoldAdminSite
    from unfold.templatetags import unfold_list

    BaseSite, BaseModelAdmin = UnfoldAdminSite, ThemedModelAdmin
    # Thirty class names in each cell make a list of fifty rows 400 KB long; our style sheet says the same once.
    unfold_list.ROW_CLASSES[:] = ["celestra-cell"]

    TextInput, Textarea = widgets.UnfoldAdminTextInputWidget, widgets.UnfoldAdminTextareaWidget
    PasswordInput, CheckboxInput = widgets.UnfoldAdminPasswordWidget, widgets.UnfoldBooleanWidget
    CheckboxSelectMultiple = widgets.UnfoldAdminCheckboxSelectMultipleWidget
    Select, SelectMultiple = widgets.UnfoldAdminSelectWidget, widgets.UnfoldAdminSelectMultipleWidget
    SplitDateTime = widgets.UnfoldAdminSplitDateTimeWidget
    OBJECT_LINK_TEMPLATE = "unfold/helpers/tab_action.html"

__all__ = [
    "IS_STOCK",
    "OBJECT_LINK_TEMPLATE",
    "BaseModelAdmin",
    "BaseSite",
    "CheckboxInput",
    "CheckboxSelectMultiple",
    "PasswordInput",
    "Select",
    "SelectMultiple",
    "SplitDateTime",
    "TextInput",
    "Textarea",
]
