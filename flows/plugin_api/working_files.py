"""The files of a working directory: what is laid into it before a run, and what is taken to storage afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from flows.plugin_api.context import RunContext
from flows.plugin_api.globs import PatternError, compile_namespace_pattern, compile_workdir_pattern
from flows.plugin_api.tasks import TaskFailure

CONTEXT_FILE = ".kestra-execution-context.json"
"""Reserved name of the execution context; never collected."""

_STORED = ("kestra://", "nsfile://", "file://")
_STORED_IN_TEXT = re.compile(r"kestra://[-a-zA-Z0-9%._+~#=/]*")


def open_beneath(root: Path, relative: str, *, write: bool) -> IO[bytes]:
    """
    Open a file below `root` and follow no symbolic link on the way, so that nobody can lead us out of the folder.

    Folders on the way are made when writing. The path is walked descriptor by descriptor: what is checked is what is used.

    Raises:
        TaskFailure: the path leaves the folder or is no ordinary file.

    Source: security, S-20.
    """
    parts = PurePosixPath(relative).parts
    if not parts or relative.startswith("/") or ".." in parts or "\0" in relative:
        raise TaskFailure(f'The file name "{relative}" must be relative and stay below the working directory.', permanent=True)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            if write:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if write else os.O_RDONLY | os.O_NONBLOCK
        return os.fdopen(os.open(parts[-1], flags | os.O_NOFOLLOW, 0o644, dir_fd=folder), "wb" if write else "rb")
    except OSError as error:
        raise TaskFailure(
            f'The file "{relative}" of the working directory cannot be {"written" if write else "read"}: {error.strerror}. '
            "Links that lead out of the working directory are not followed."
        ) from error
    finally:
        os.close(folder)


def write_input_files(context: RunContext, root: Path, files: Mapping[str, str]) -> None:
    """Write each file below `root`: a storage address is copied, other text is written as UTF-8. Folders are made."""
    for name, content in files.items():
        with open_beneath(root, name, write=True) as target:
            if content.startswith(_STORED) and "\n" not in content.strip():
                with context.storage.open(content.strip()) as source:
                    shutil.copyfileobj(source, target, 1 << 20)
            else:
                target.write(content.encode())


def write_namespace_files(
    context: RunContext,
    root: Path,
    *,
    namespaces: Sequence[str],
    include: Sequence[str],
    exclude: Sequence[str],
    if_exists: str = "OVERWRITE",
    folder_per_namespace: bool = False,
) -> None:
    """
    Copy the files of `namespaces`, later ones over earlier ones, below `root`.

    `if_exists` is OVERWRITE, FAIL, WARN (keep the present file and log) or IGNORE (keep it silently).
    """
    try:
        wanted = [compile_namespace_pattern(p) for p in include]
        unwanted = [compile_namespace_pattern(p) for p in exclude]
    except PatternError as error:
        raise TaskFailure(str(error), permanent=True) from error
    for namespace in namespaces:
        for path in context.namespace_files.list(namespace=namespace):
            if (wanted and not any(p.fullmatch(path) for p in wanted)) or any(p.fullmatch(path) for p in unwanted):
                continue
            name = f"{namespace}/{path.lstrip('/')}" if folder_per_namespace else path.lstrip("/")
            if if_exists != "OVERWRITE" and (root / name).exists():
                if if_exists == "FAIL":
                    raise TaskFailure(f'The namespace file "{path}" of {namespace} exists already in the working directory.')
                if if_exists == "WARN":
                    context.log.warning(f'The namespace file "{path}" of {namespace} was not copied: the file exists already.')
                continue
            with open_beneath(root, name, write=True) as target:
                target.write(context.namespace_files.read(path, namespace=namespace))


def fetch_stored_files(context: RunContext, folder: Path, text: str) -> str:
    """Return `text` with every `kestra://` address replaced by the path of a copy of that file in `folder`."""
    fetched: dict[str, str] = {}

    def fetch(match: re.Match[str]) -> str:
        uri = match[0]
        if uri not in fetched:
            own = folder / f"file-{uuid.uuid4().hex[:8]}"
            own.mkdir(mode=0o700)
            path = own / (re.sub(r"[^-\w.+]", "_", uri.rpartition("/")[2]) or "file")
            with context.storage.open(uri) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            fetched[uri] = str(path)
        return fetched[uri]

    return _STORED_IN_TEXT.sub(fetch, text)


def collect_files(context: RunContext, root: Path, patterns: Sequence[str], *, leave_out: Iterable[Path] = ()) -> dict[str, str]:
    """
    Store the files below `root` that match a pattern and return their addresses by path relative to `root`.

    A symbolic link is taken when it leads to a file below `root`, and left out with a warning otherwise.
    """
    found = list_matching_files(context, root, patterns, leave_out=leave_out)
    return {relative: _store(context, root, real, relative) for relative, real in found}


def list_matching_files(
    context: RunContext, root: Path, patterns: Sequence[str], *, leave_out: Iterable[Path] = ()
) -> list[tuple[str, str]]:
    """
    Return the files below `root` that match a pattern: the path, and the path of what it leads to, both relative to `root`.

    Raises:
        TaskFailure: a pattern cannot be read.
    """
    try:
        compiled = [compile_workdir_pattern(p, str(root)) for p in patterns]
    except PatternError as error:
        raise TaskFailure(str(error), permanent=True) from error
    files = _list_files(context, root, frozenset(leave_out))
    return [(relative, real) for relative, real in files if any(p.fullmatch(f"{root}/{relative}") for p in compiled)]


def _store(context: RunContext, root: Path, real: str, relative: str) -> str:
    with open_beneath(root, real, write=False) as source:
        return context.storage.put(source, PurePosixPath(relative).name)


def _list_files(context: RunContext, root: Path, leave_out: frozenset[Path]) -> Iterator[tuple[str, str]]:
    """Yield the path of each ordinary file and the path of what it leads to, both relative to `root`, in a stable order."""
    resolved_root = root.resolve()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if Path(folder, f) not in leave_out and not f.startswith(".celestra-"))
        for name in sorted(names):
            path = Path(folder, name)
            if path in leave_out or name == CONTEXT_FILE:
                continue
            relative = path.relative_to(root).as_posix()
            real = path.resolve()
            if not real.is_relative_to(resolved_root):
                context.log.warning(f'The file "{relative}" is a link out of the working directory and is not collected.')
            elif real.is_file():
                yield relative, real.relative_to(resolved_root).as_posix()
