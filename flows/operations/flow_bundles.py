"""Many flows at once: a namespace made equal to a set of documents, imports and exports."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F

from flows.language.source import split_documents
from flows.models import Flow, FlowRevision
from flows.operations.acts import MOST_NAMED, act_on_many
from flows.operations.flow_checks import check_document
from flows.operations.flows import SavedFlow, delete_flow, save_flow
from flows.primitives.errors import FlowsError, ForbiddenError, InvalidError, TooLargeError
from flows.primitives.problems import Problem
from flows.primitives.rights import Action, Resource
from flows.queries.visibility import match_visible

MOST_ENTRIES = 10_000
LARGEST_ENTRY_BYTES = 1024 * 1024
LARGEST_BUNDLE_BYTES = 100 * 1024 * 1024

_NAMESPACE_LINE = re.compile(r"^namespace[ \t]*:[^\n]*$", re.MULTILINE)


def apply_documents(
    text: str,
    *,
    at: datetime,
    actor: str = "",
    namespace: str | None = None,
    delete: bool = True,
    override: bool = False,
    allow_children: bool = False,
) -> tuple[list[Flow], list[SavedFlow]]:
    """
    Save every document of a text, and delete the flows of the namespace that the text does not name. All or nothing.

    Args:
        namespace: the namespace that every document must have; None accepts any, and deletes in the namespaces of the documents.
        delete: whether flows that are not named are deleted.
        override: put `namespace` into every document instead of refusing others.
        allow_children: documents and deletions may also lie in child namespaces of `namespace`.

    Returns:
        The deleted flows and the saved ones, in the order of the documents.

    Raises:
        InvalidError: faults in documents, a foreign namespace, or an id that appears twice; `problems` names all.

    Source: REST API, 8.1.
    """
    documents = split_documents(text)
    if override and namespace:
        documents = [_NAMESPACE_LINE.sub(f"namespace: {namespace}", document, count=1) for document in documents]
    names = _check_documents(documents, namespace, allow_children)
    with act_on_many("flow.apply", Action.UPDATE, Resource.FLOW, object_id=namespace or "", atomic=True) as doing:
        deleted = []
        if delete:
            for row in _list_flows(namespace, names, allow_children):
                if (row.namespace, row.flow_id) not in names:
                    deleted.append(delete_flow(row.namespace, row.flow_id, at=at, actor=actor))
        saved = [save_flow(document, at=at, actor=actor) for document in documents]
        doing.after = _describe(saved, deleted)
    return deleted, saved


def _describe(saved: Sequence[SavedFlow], deleted: Sequence[Flow]) -> dict[str, Any]:
    written = [f"{one.flow.namespace}/{one.flow.flow_id}" for one in saved if one.changed]
    gone = [f"{row.namespace}/{row.flow_id}" for row in deleted]
    return {"count": len(written) + len(gone), "saved": written[:MOST_NAMED], "deleted": gone[:MOST_NAMED]}


def _check_documents(documents: Sequence[str], namespace: str | None, allow_children: bool) -> set[tuple[str, str]]:
    problems: list[Problem] = []
    names: set[tuple[str, str]] = set()
    for index, document in enumerate(documents):
        check = check_document(document)
        if check.definition is None:
            problems.extend(
                Problem(problem.code, f"Document {index}: {problem.message}", problem.hint, problem.place)
                for problem in check.problems
                if problem.severity == "ERROR"
            )
            continue
        found = check.definition
        if namespace is not None and not _is_inside(found.namespace, namespace, allow_children):
            problems.append(
                Problem(
                    "foreign-namespace",
                    f'Document {index}: flow "{found.id}" belongs to "{found.namespace}", but "{namespace}" is updated.',
                )
            )
        if (found.namespace, found.id) in names:
            problems.append(Problem("duplicate-flow", f'Document {index}: flow "{found.namespace}/{found.id}" appears twice.'))
        names.add((found.namespace, found.id))
    if problems:
        raise InvalidError("; ".join(str(problem) for problem in problems), code="invalid-flows", problems=problems)
    return names


def _is_inside(namespace: str, wanted: str, allow_children: bool) -> bool:
    return namespace == wanted or (allow_children and namespace.startswith(f"{wanted}."))


def _list_flows(namespace: str | None, names: Iterable[tuple[str, str]], allow_children: bool) -> list[Flow]:
    if namespace is None:
        rows = Flow.objects.filter(namespace__in={name for name, _ in names})
    elif allow_children:
        rows = Flow.objects.filter(namespace=namespace) | Flow.objects.filter(namespace__startswith=f"{namespace}.")
    else:
        rows = Flow.objects.filter(namespace=namespace)
    # What the caller cannot even see is none of the flows that the documents could have named.
    return list(rows.filter(match_visible(Resource.FLOW), deleted=False).order_by("namespace", "flow_id"))


def import_flows(content: bytes, *, name: str, at: datetime, actor: str = "", fail_on_error: bool = False) -> list[str]:
    """
    Save the flows of an uploaded file, each on its own.

    Args:
        content: a zip when `name` ends so, else YAML documents.
        fail_on_error: save nothing and raise when one of them cannot be saved.

    Returns:
        What could not be saved: the name of the entry, or the number of the document from 0; empty when all went in.

    Raises:
        InvalidError: no readable zip or text, another file ending, or a flow that cannot be saved with `fail_on_error`.
        TooLargeError: more entries or bytes than an import may have.
    """
    sources = list_import_sources(content, name=name)
    failed: list[str] = []
    saved: list[SavedFlow] = []
    with act_on_many("flow.import", Action.UPDATE, Resource.FLOW, object_id=name[:255], atomic=True) as doing:
        for label, source in sources:
            try:
                saved.append(save_flow(source, at=at, actor=actor, origin=FlowRevision.Origin.IMPORT))
            except ForbiddenError:
                if fail_on_error:
                    raise
                failed.append(label)
            except FlowsError as error:
                if fail_on_error:
                    raise InvalidError(
                        f"{label}: {error.message}", code="import", problems=getattr(error, "problems", ())
                    ) from error
                failed.append(label)
        doing.after = {**_describe(saved, ()), "failed": failed[:MOST_NAMED]}
    return failed


def list_import_sources(content: bytes, *, name: str) -> list[tuple[str, str]]:
    """Return the flows of an uploaded file, each as label and source. Arguments and errors as `import_flows`."""
    return _read_archive(content) if name.lower().endswith(".zip") else _read_documents(content, name)


def _read_documents(content: bytes, name: str) -> list[tuple[str, str]]:
    if not name.lower().endswith((".yml", ".yaml")):
        raise InvalidError(f'"{name[:100]}" cannot be imported: send a .yml, .yaml or .zip file.', code="import-type")
    return [(str(index), text) for index, text in enumerate(split_documents(_decode(content, name)))]


def _read_archive(content: bytes) -> list[tuple[str, str]]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile as error:
        raise InvalidError("The uploaded file is no readable zip archive.", code="import-zip") from error
    with archive:
        entries = [
            entry for entry in archive.infolist() if entry.filename.lower().endswith((".yml", ".yaml")) and not entry.is_dir()
        ]
        if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > LARGEST_BUNDLE_BYTES:
            raise TooLargeError(
                f"An import may have at most {MOST_ENTRIES} flows and {LARGEST_BUNDLE_BYTES} bytes: split the archive."
            )
        return [(entry.filename, _read_entry(archive, entry)) for entry in entries]


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    try:
        with archive.open(entry) as stream:
            # The size in the directory of an archive is only a claim: reading stops at the limit whatever it says.
            content = stream.read(LARGEST_ENTRY_BYTES + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as error:
        raise InvalidError(f'The entry "{entry.filename[:100]}" of the archive cannot be read.', code="import-zip") from error
    if len(content) > LARGEST_ENTRY_BYTES:
        raise TooLargeError(
            f'The entry "{entry.filename[:100]}" is larger than the {LARGEST_ENTRY_BYTES} bytes that a flow may have.'
        )
    return _decode(content, entry.filename)


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidError(f'"{name[:100]}" must be UTF-8 text; byte {error.start} is not.', code="encoding") from error


def export_flows(flows: Iterable[Flow]) -> bytes:
    """Return a zip of the published sources, one entry `{namespace}.{id}.yml` per flow; drafts are left out."""
    texts = FlowRevision.objects.filter(flow__in=list(flows), revision=F("flow__revision")).order_by(
        "flow__namespace", "flow__flow_id"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for namespace, flow_id, source in texts.values_list("flow__namespace", "flow__flow_id", "source"):
            archive.writestr(f"{namespace}.{flow_id}.yml", source)
    return buffer.getvalue()
