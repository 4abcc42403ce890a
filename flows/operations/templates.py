"""Saving and deleting templates. What an execution makes of them is in `flows.engine.templates`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db import IntegrityError, transaction

from flows.conf import get_settings
from flows.language.flow import Flow
from flows.language.templates import Template as TypedTemplate
from flows.language.templates import list_template_tasks, parse_template
from flows.models import Template, TemplateRevision
from flows.operations.acts import act
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import InvalidError, NotFoundError
from flows.primitives.problems import Place, Problem, Severity
from flows.primitives.rights import Action, Resource
from flows.queries.visibility import visible

SaveMode = Literal["create", "update", "upsert"]

_REVISION_LINE = re.compile(r"^revision[ \t]*:[^\n]*(?:\n|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SavedTemplate:
    """A template with its newest revision; `definition` is None when the stored text cannot be used any more."""

    template: Template
    revision: TemplateRevision
    definition: TypedTemplate | None


def save_template(
    source: str,
    *,
    at: datetime,
    actor: str = "",
    namespace: str | None = None,
    template_id: str | None = None,
    mode: SaveMode = "upsert",
) -> SavedTemplate:
    """
    Store the text as the newest revision of its template, unless it is the newest revision already.

    Args:
        source: one YAML document; a line `revision: N` is not kept.
        actor: who saves, for the history.
        namespace, template_id: what the document must name, when the caller says so (an update by address).
        mode: `create` refuses a template that exists, `update` one that does not.

    Raises:
        InvalidError: the document has faults (all of them are in `problems`), names another template, or exists already.
        NotFoundError: nothing to update.

    Source: flow language, 6.14; REST API, 8.15.
    """
    definition = _read(source)
    names = (namespace or definition.namespace, template_id or definition.id)
    missing = _not_found(*names) if mode == "update" else None
    action = Action.CREATE if mode == "create" else Action.UPDATE
    with act("template.save", action, Resource.TEMPLATE, names[0], names[1], missing=missing) as doing:
        saved = _save(definition, source, at=at, actor=actor, namespace=namespace, template_id=template_id, mode=mode)
        doing.after = {"revision": saved.revision.revision}
    return saved


def _save(
    definition: TypedTemplate,
    source: str,
    *,
    at: datetime,
    actor: str,
    namespace: str | None,
    template_id: str | None,
    mode: SaveMode,
) -> SavedTemplate:
    for name, wanted, found in (("namespace", namespace, definition.namespace), ("id", template_id, definition.id)):
        if wanted is not None and wanted != found:
            raise _refuse(
                "template-name-mismatch",
                f'The document names the {name} "{found}", but it was sent to "{wanted}". The {name} of a template '
                "cannot change.",
            )
    text = _REVISION_LINE.sub("", source)
    try:
        with transaction.atomic():
            return _store(definition, text, at=at, actor=actor, mode=mode)
    except IntegrityError:
        # Somebody else created the template between our look and our write: the second look sees it.
        with transaction.atomic():
            return _store(definition, text, at=at, actor=actor, mode=mode)


def get_template(namespace: str, template_id: str, revision: int | None = None) -> SavedTemplate:
    """Return a revision of a template, the newest when `revision` is None. Raises NotFoundError."""
    row = visible(Template).filter(namespace=namespace, template_id=template_id, deleted=False).first()
    if row is None:
        raise _not_found(namespace, template_id)
    found = row.revisions.filter(revision=row.revision if revision is None else revision).first()
    if found is None:
        raise NotFoundError(f'Template "{row}" has no revision {revision}.', code="template-revision-not-found")
    definition, _ = parse_template(found.source, get_registry())
    return SavedTemplate(row, found, definition)


def delete_template(namespace: str, template_id: str, *, at: datetime) -> None:
    """
    Delete a template. Its revisions stay for executions that began with them; new executions do not find it.

    Raises:
        NotFoundError: there is no such template, or it was deleted before.
    """
    missing = _not_found(namespace, template_id)
    with act("template.delete", Action.DELETE, Resource.TEMPLATE, namespace, template_id, missing=missing):
        deleted = Template.objects.filter(namespace=namespace, template_id=template_id, deleted=False).update(
            deleted=True, updated_at=at
        )
        if not deleted:
            raise missing


def list_refused_templates(flow: Flow) -> list[Problem]:
    """Return a problem for each task that names a template while templates are switched off; none while they are on."""
    if get_settings().templates_enabled:
        return []
    return [
        Problem(
            "templates-disabled",
            f'Task "{task.id}" names a template, but templates are switched off here.',
            "Use a Subflow, or have CELESTRA_TEMPLATES_ENABLED set to true.",
            Place(*task.position, path=task.id),
        )
        for task in list_template_tasks(flow)
    ]


def _read(source: str) -> TypedTemplate:
    definition, problems = parse_template(source, get_registry())
    if definition is None:
        errors = [problem for problem in problems if problem.severity is Severity.ERROR]
        count = "a fault" if len(errors) == 1 else f"{len(errors)} faults"
        reasons = "; ".join(str(each) for each in errors)
        raise InvalidError(f"The template has {count}: {reasons}", code="invalid-template", problems=errors)
    return definition


def _store(definition: TypedTemplate, text: str, *, at: datetime, actor: str, mode: SaveMode) -> SavedTemplate:
    names = {"namespace": definition.namespace, "template_id": definition.id}
    row = Template.objects.select_for_update().filter(**names).first()
    exists = row is not None and not row.deleted
    if mode == "create" and exists:
        raise _refuse("template-exists", f'Template "{row}" already exists: update it, or choose another id.')
    if mode == "update" and not exists:
        raise _not_found(definition.namespace, definition.id)
    if row is not None and exists:
        newest = row.revisions.get(revision=row.revision)
        if newest.source == text:
            return SavedTemplate(row, newest, definition)
    if row is None:
        row = Template(**names, revision=0, created_at=at)
    row.revision += 1
    row.deleted = False
    row.description = definition.description or ""
    row.updated_at = at
    row.save()
    revision = TemplateRevision.objects.create(
        template=row, revision=row.revision, source=text, saved_by=actor[:254], created_at=at
    )
    return SavedTemplate(row, revision, definition)


def _refuse(code: str, message: str) -> InvalidError:
    return InvalidError(message, code=code, problems=[Problem(code, message)])


def _not_found(namespace: str, template_id: str) -> NotFoundError:
    return NotFoundError(
        f'Template not found: namespace "{namespace}" has no template "{template_id}".', code="template-not-found"
    )
