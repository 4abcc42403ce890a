"""The actions of `manage.py namespaces files`: list, get, put, delete, move, search, export and sync."""

from __future__ import annotations

import argparse
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.utils import timezone

from flows.management.dry_runs import add_dry_run
from flows.management.presentation import format_moment
from flows.management.running import ACTOR
from flows.management.selection import add_yes, parse_count
from flows.management.terminal import Exit, Terminal, UsageError, add_action
from flows.operations import namespace_files as operations
from flows.operations.namespace_files import FileFacts

IGNORE_FILE = ".kestraignore"
COLUMNS = ("path", "type", "size", "version", "modified")
SYNC_COLUMNS = ("file", "action")


def add_file_actions(actions: Any) -> None:
    """Add the actions in the order of the reference."""
    parser = add_action(actions, "list", list_files, about="Lists a folder.")
    parser.add_argument("namespace")
    parser.add_argument("path", nargs="?", default="/")
    parser.add_argument("--recursive", "-r", action="store_true", help="every file below, as paths")
    parser = add_action(actions, "get", get_file, about="Writes a file to standard output or to a path.")
    parser.add_argument("namespace")
    parser.add_argument("path")
    parser.add_argument("--revision", type=parse_count)
    parser.add_argument("--to", metavar="PATH")
    parser = add_action(actions, "put", put_files, about="Uploads a file or a folder.", aliases=("upload",))
    parser.add_argument("namespace")
    parser.add_argument("local")
    parser.add_argument("remote", nargs="?", default="/")
    parser.add_argument("--override", action=argparse.BooleanOptionalAction, default=True, help="replace files that exist")
    parser.add_argument("--delete", action="store_true", help="delete remote files that the folder does not hold")
    parser.add_argument("--dry-run", action="store_true", help="show what would change")
    add_yes(parser)
    parser = add_action(actions, "delete", delete_file, about="Deletes a file or a folder.")
    parser.add_argument("namespace")
    parser.add_argument("path")
    add_dry_run(parser)
    add_yes(parser)
    parser = add_action(actions, "move", move_file, about="Gives a file or a folder another path.")
    parser.add_argument("namespace")
    parser.add_argument("source")
    parser.add_argument("target")
    add_dry_run(parser)
    parser = add_action(actions, "search", search_files, about="Finds files by a part of their path.")
    parser.add_argument("namespace")
    parser.add_argument("query", nargs="?", default="")
    parser = add_action(actions, "export", export_files, about='Writes all files as a zip to a path or "-".')
    parser.add_argument("namespace")
    parser.add_argument("to")
    parser = add_action(actions, "sync", sync_files, about="Makes a remote folder the same as a local one.")
    parser.add_argument("namespace")
    parser.add_argument("local", metavar="DIR")
    parser.add_argument("--to", dest="remote", default="/", help="the remote folder")
    parser.add_argument("--delete", action="store_true", help="delete remote files that the folder does not hold")
    parser.add_argument("--dry-run", action="store_true", help="show what would change")
    parser.set_defaults(override=True)
    add_yes(parser)


def list_files(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show one level of a folder, or every path below it."""
    if options.recursive:
        below = "/" + options.path.strip("/")
        paths = [path for path in operations.search_files(options.namespace) if path.startswith(below)]
        terminal.show_rows(("path",), [{"path": path} for path in paths], json_rows=paths)
        return
    operations.stat_file(options.namespace, options.path)
    found = operations.list_folder(options.namespace, options.path)
    terminal.show_rows(COLUMNS, [_describe(facts) for facts in found], json_rows=[_present(facts) for facts in found])


def get_file(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the bytes of a file."""
    with operations.open_file(options.namespace, options.path, version=options.revision) as stream:
        if options.to is None:
            sys.stdout.flush()
            shutil.copyfileobj(stream, sys.stdout.buffer)
            return
        with Path(options.to).open("wb") as target:
            shutil.copyfileobj(stream, target)
    terminal.say(f"{options.path} written to {options.to}")


def put_files(terminal: Terminal, options: argparse.Namespace) -> int:
    """Upload one file under its name or a new one, or a folder with all that is in it."""
    local = Path(options.local)
    if local.is_dir():
        return sync_files(terminal, options)
    if not local.is_file():
        raise UsageError(f'"{options.local}" does not exist.')
    remote = options.remote + local.name if options.remote.endswith("/") else options.remote
    if not options.dry_run:
        conflict = "OVERWRITE" if options.override else "ERROR"
        operations.put_file(options.namespace, remote, local, at=timezone.now(), actor=ACTOR, conflict=conflict)
    terminal.show_rows(SYNC_COLUMNS, [{"file": remote, "action": "uploaded"}])
    return Exit.DONE


def sync_files(terminal: Terminal, options: argparse.Namespace) -> int:
    """Upload what differs, skip what is the same and, with --delete, delete what the folder does not hold."""
    folder = Path(options.local)
    if not folder.is_dir():
        raise UsageError(f'"{options.local}" is no folder.')
    base = "/" + options.remote.strip("/")
    base = base if base.endswith("/") else f"{base}/"
    local = {
        base + inside.lstrip("/"): path for inside, path in operations.list_local_files(folder, ignored=_read_ignored(folder))
    }
    remote = {path for path in operations.search_files(options.namespace) if path.startswith(base)}
    rows = []
    for path, source in local.items():
        rows.append({"file": path, "action": _put_one(options, path, source, exists=path in remote)})
    doomed = sorted(remote - set(local)) if options.delete else []
    if doomed and not options.dry_run and not terminal.confirm(f"Delete {len(doomed)} remote files?", yes=options.yes):
        doomed = []
    for path in doomed:
        if not options.dry_run:
            operations.delete_file(options.namespace, path, at=timezone.now(), actor=ACTOR)
        rows.append({"file": path, "action": "deleted"})
    terminal.show_rows(SYNC_COLUMNS, rows)
    return Exit.FAILED if any(row["action"] == "refused" for row in rows) else Exit.DONE


def _put_one(options: argparse.Namespace, path: str, source: Path, *, exists: bool) -> str:
    if exists and _is_same(options.namespace, path, source):
        return "unchanged"
    if exists and not options.override:
        return "refused"
    if not options.dry_run:
        operations.put_file(options.namespace, path, source, at=timezone.now(), actor=ACTOR)
    return "updated" if exists else "created"


def _is_same(namespace: str, path: str, source: Path) -> bool:
    with operations.open_file(namespace, path) as stored, source.open("rb") as local:
        return _digest(stored) == _digest(local)


def _digest(stream: Any) -> bytes:
    digest = sha256()
    while chunk := stream.read(1024 * 1024):
        digest.update(chunk)
    return digest.digest()


def delete_file(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete a file or folder; status 3 when there is none."""
    if options.dry_run:
        paths = _list_below(options.namespace, options.path)
        terminal.show_rows(("path",), [{"path": path} for path in paths], json_rows=paths)
        return Exit.DONE
    if not terminal.confirm(f"Delete {options.path} of namespace {options.namespace} with all versions?", yes=options.yes):
        return Exit.FAILED
    deleted = operations.delete_file(options.namespace, options.path, at=timezone.now(), actor=ACTOR)
    terminal.show_rows(("path",), [{"path": path} for path in deleted], json_rows=deleted)
    return Exit.DONE


def move_file(terminal: Terminal, options: argparse.Namespace) -> None:
    """Move a file or folder and show the new paths."""
    if options.dry_run:
        source, target = (f"/{each.strip('/')}" for each in (options.source, options.target))
        paths = [target + path.removeprefix(source) for path in _list_below(options.namespace, options.source)]
        terminal.show_rows(("path",), [{"path": path} for path in paths], json_rows=paths)
        return
    moved = operations.move_file(options.namespace, options.source, options.target, at=timezone.now(), actor=ACTOR)
    terminal.show_rows(("path",), [{"path": path} for path in moved], json_rows=moved)


def search_files(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show the paths that hold the text."""
    paths = operations.search_files(options.namespace, options.query)
    terminal.show_rows(("path",), [{"path": path} for path in paths], json_rows=paths)


def export_files(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the archive."""
    content = operations.export_files(options.namespace)
    if options.to == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    Path(options.to).write_bytes(content)
    terminal.say(f"{len(content)} bytes written to {options.to}")


def _list_below(namespace: str, path: str) -> list[str]:
    """Return the file at a path, or every file of that folder. Raises NotFoundError when there is neither."""
    operations.stat_file(namespace, path)
    folder = f"/{path.strip('/')}"
    return [each for each in operations.search_files(namespace) if each == folder or each.startswith(f"{folder.rstrip('/')}/")]


def _read_ignored(folder: Path) -> list[str]:
    path = folder / IGNORE_FILE
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [IGNORE_FILE, *(line for line in lines if line and not line.startswith("#"))]


def _describe(facts: FileFacts) -> dict[str, Any]:
    return {
        "path": facts.path,
        "type": "Directory" if facts.is_directory else "File",
        "size": None if facts.is_directory else facts.size_bytes,
        "version": facts.version or None,
        "modified": format_moment(facts.modified_at),
    }


def _present(facts: FileFacts) -> dict[str, Any]:
    """Return the attributes in the form of the REST API, 9.9: moments in milliseconds."""
    return {
        "fileName": facts.name,
        "type": "Directory" if facts.is_directory else "File",
        "size": facts.size_bytes,
        "lastModifiedTime": int(facts.modified_at.timestamp() * 1000) if facts.modified_at else 0,
        "creationTime": int(facts.created_at.timestamp() * 1000) if facts.created_at else 0,
    }
