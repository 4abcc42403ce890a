"""The actions of `manage.py namespaces files`: list, get, put, delete, move, search, export and sync."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from flows.management.connecting import add_data_action, open_target
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.execution_files import write_bytes
from flows.management.presenters import Json, format_moment
from flows.management.selection import add_yes, parse_count
from flows.management.targets import Target
from flows.management.terminal import Exit, Terminal, UsageError
from flows.operations.namespace_files import list_local_files
from flows.primitives.errors import NotFoundError

IGNORE_FILE = ".kestraignore"
COLUMNS = ("path", "type", "size", "modified")
SYNC_COLUMNS = ("file", "action")


def add_file_actions(actions: Any) -> None:
    """Add the actions in the order of the reference."""
    parser = _add(actions, "list", list_files, "Lists a folder.")
    parser.add_argument("path", nargs="?", default="/", help="the folder, the root when left out")
    parser.add_argument("--recursive", "-r", action="store_true", help="every file below, as paths")
    parser = _add(actions, "get", get_file, "Writes a file to standard output or to a path.")
    parser.add_argument("path", help="path of the file")
    parser.add_argument("--revision", type=parse_count, help="an older version")
    parser.add_argument("--to", metavar="PATH", help="a file, or a folder that exists")
    parser = _add(actions, "put", put_files, "Uploads a file or a folder.", aliases=("upload",))
    parser.add_argument("local", metavar="LOCAL", help="the file or folder on this host")
    parser.add_argument("remote", nargs="?", default="/", metavar="REMOTE", help='its path there; a folder when it ends in "/"')
    parser.add_argument("--override", action=argparse.BooleanOptionalAction, default=True, help="replace files that exist")
    parser.add_argument("--delete", action="store_true", help="with a folder: delete files there that it does not hold")
    add_dry_run(parser)
    add_yes(parser)
    parser = _add(actions, "delete", delete_file, "Deletes a file, or a folder with what is in it.")
    parser.add_argument("path", help="path of the file or folder")
    add_dry_run(parser)
    add_yes(parser)
    parser = _add(actions, "move", move_file, "Gives a file or a folder another path.")
    parser.add_argument("source", help="path now")
    parser.add_argument("target", help="path afterwards")
    add_dry_run(parser)
    parser = _add(actions, "search", search_files, "Finds files by a part of their path.")
    parser.add_argument("query", nargs="?", default="", help="part of the path")
    parser = _add(actions, "export", export_files, 'Writes all files as a zip to a path or "-".')
    parser.add_argument("to", help='the zip file, or "-" for standard output')
    parser = _add(actions, "sync", sync_files, "Makes a folder there the same as a local one.")
    parser.add_argument("local", metavar="DIR", help="the folder on this host")
    parser.add_argument("--to", dest="remote", default="/", help="the folder there")
    parser.add_argument("--delete", action="store_true", help="delete files there that the folder does not hold")
    parser.set_defaults(override=True)
    add_dry_run(parser)
    add_yes(parser)


def _add(actions: Any, name: str, run: Any, about: str, *, aliases: tuple[str, ...] = ()) -> argparse.ArgumentParser:
    parser = add_data_action(actions, name, run, about=about, aliases=aliases)
    parser.add_argument("namespace", help="whose files")
    return parser


def list_files(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show one level of a folder, or every path below it."""
    files = open_target(options).files
    if options.recursive:
        _show_paths(terminal, _list_below(open_target(options), options.namespace, options.path))
        return
    found = files.list_folder(options.namespace, options.path)
    folder = f"/{options.path.strip('/')}".rstrip("/")
    terminal.show_rows(COLUMNS, [_describe(facts, folder) for facts in found], json_rows=found)


def get_file(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the bytes of a file."""
    with closing(open_target(options).files.open(options.namespace, options.path, revision=options.revision)) as stream:
        write_bytes(terminal, stream, options.to, name=options.path.rsplit("/", 1)[-1])


def put_files(terminal: Terminal, options: argparse.Namespace) -> int:
    """Upload one file under its name or a new one, or a folder with all that is in it."""
    local = Path(options.local)
    if local.is_dir():
        return sync_files(terminal, options)
    if not local.is_file():
        raise UsageError(f'"{options.local}" does not exist.')
    remote = options.remote + local.name if options.remote.endswith("/") else options.remote
    target = open_target(options)
    row = {"file": f"/{remote.strip('/')}", "action": _put_one(target, options, remote, local)}
    return _conclude(terminal, options, [row])


def sync_files(terminal: Terminal, options: argparse.Namespace) -> int:
    """Upload what differs, skip what is the same and, with --delete, delete what the folder does not hold."""
    folder = Path(options.local)
    if not folder.is_dir():
        raise UsageError(f'"{options.local}" is no folder.')
    target = open_target(options)
    base = "/" + options.remote.strip("/")
    base = base if base.endswith("/") else f"{base}/"
    local = {base + inside.lstrip("/"): path for inside, path in list_local_files(folder, ignored=_read_ignored(folder))}
    remote = {path for path in target.files.search(options.namespace) if path.startswith(base)}
    rows = []
    for position, (path, source) in enumerate(local.items(), 1):
        rows.append({"file": path, "action": _put_one(target, options, path, source)})
        terminal.report("files", position, len(local))
    doomed = sorted(remote - set(local)) if options.delete else []
    if doomed and not options.dry_run and not terminal.confirm(f"Delete {len(doomed)} files?", yes=options.yes):
        doomed = []
    for path in doomed:
        if not options.dry_run:
            target.files.delete(options.namespace, path)
        rows.append({"file": path, "action": "deleted"})
    return _conclude(terminal, options, rows)


def _conclude(terminal: Terminal, options: argparse.Namespace, rows: list[Json]) -> int:
    terminal.show_rows(SYNC_COLUMNS, rows)
    if any(row["action"] == "refused" for row in rows):
        return Exit.FAILED
    return conclude(options, would_change=any(row["action"] != "unchanged" for row in rows))


def _put_one(target: Target, options: argparse.Namespace, path: str, source: Path) -> str:
    stored = _find_digest(target, options.namespace, path)
    if stored is not None:
        with source.open("rb") as local:
            if stored == _digest(local):
                return "unchanged"
        if not options.override:
            return "refused"
    if not options.dry_run:
        target.files.put(options.namespace, path, source)
    return "created" if stored is None else "updated"


def _find_digest(target: Target, namespace: str, path: str) -> bytes | None:
    try:
        with closing(target.files.open(namespace, path)) as stored:
            return _digest(stored)
    except NotFoundError:
        return None


def _digest(stream: Any) -> bytes:
    digest = sha256()
    while chunk := stream.read(1024 * 1024):
        digest.update(chunk)
    return digest.digest()


def delete_file(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete a file or folder; status 3 when there is none."""
    target = open_target(options)
    paths = _list_below(target, options.namespace, options.path)
    question = f"Delete {options.path} of namespace {options.namespace} with all versions?"
    if not options.dry_run:
        if not terminal.confirm(question, yes=options.yes):
            return Exit.FAILED
        target.files.delete(options.namespace, options.path)
    _show_paths(terminal, paths)
    return conclude(options, would_change=True)


def move_file(terminal: Terminal, options: argparse.Namespace) -> int:
    """Move a file or folder and show the new paths."""
    target = open_target(options)
    before, after = (f"/{each.strip('/')}" for each in (options.source, options.target))
    paths = [after + path.removeprefix(before) for path in _list_below(target, options.namespace, options.source)]
    if not options.dry_run:
        target.files.move(options.namespace, options.source, options.target)
    _show_paths(terminal, paths)
    return conclude(options, would_change=True)


def search_files(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show the paths that hold the text."""
    _show_paths(terminal, open_target(options).files.search(options.namespace, options.query))


def export_files(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the archive."""
    files = open_target(options).files
    if options.to == "-":
        sys.stdout.flush()
        files.export(options.namespace, sys.stdout.buffer)
        return
    try:
        with Path(options.to).open("wb") as written:
            files.export(options.namespace, written)
            size = written.tell()
    except OSError as error:
        raise UsageError(f'"{options.to}" cannot be written ({error.strerror}).') from error
    terminal.say(f"{size} bytes written to {options.to}")


def _show_paths(terminal: Terminal, paths: list[str]) -> None:
    terminal.show_rows(("path",), [{"path": path} for path in paths], json_rows=paths)


def _list_below(target: Target, namespace: str, path: str) -> list[str]:
    """Return the file at a path, or every file of that folder. Raises NotFoundError when there is neither."""
    folder = f"/{path.strip('/')}"
    if folder != "/" and not target.files.exists(namespace, path):
        raise NotFoundError(f'Namespace {namespace} has no file or folder "{folder}".', code="file-not-found")
    found = target.files.search(namespace)
    return [each for each in found if each == folder or each.startswith(f"{folder.rstrip('/')}/")]


def _read_ignored(folder: Path) -> list[str]:
    path = folder / IGNORE_FILE
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [IGNORE_FILE, *(line for line in lines if line and not line.startswith("#"))]


def _describe(facts: Json, folder: str) -> Json:
    is_folder = facts["type"] == "Directory"
    modified = datetime.fromtimestamp(facts["lastModifiedTime"] / 1000, UTC)
    return {
        "path": f"{folder}/{facts['fileName']}",
        "type": facts["type"],
        "size": None if is_folder else facts["size"],
        "modified": format_moment(modified),
    }
