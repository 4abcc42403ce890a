"""Files of executions and namespaces. `get_storage` opens the backend of the settings; addresses are built in `uri.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from flows.conf import get_settings
from flows.storage.contract import Storage, StorageUnavailableError, StoredFile, StoredFileNotFoundError
from flows.storage.filesystem import FolderStorage
from flows.storage.overlay import OverlayStorage

__all__ = [
    "Storage",
    "StorageUnavailableError",
    "StoredFile",
    "StoredFileNotFoundError",
    "get_storage",
    "open_storage",
    "overlay_url",
]


def _open_folder(url: str) -> Storage:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise StorageUnavailableError(
            f'CELESTRA_STORAGE_URL must name a folder of this host such as file:///var/lib/celestra/storage; got "{url}".'
        )
    return FolderStorage(Path(unquote(parts.path)))


def _open_overlay(url: str) -> Storage:
    behind = parse_qs(urlsplit(url).query)["behind"][0]
    return OverlayStorage(FolderStorage(Path(unquote(urlsplit(url).path))), open_storage(behind))


def overlay_url(folder: Path) -> str:
    """Return the address of a storage that keeps what is written in `folder` and reads everything else from today's storage."""
    return f"overlay://{quote(str(folder))}?behind={quote(_current_url(), safe='')}"


FACTORIES: dict[str, Callable[[str], Storage]] = {"file": _open_folder, "overlay": _open_overlay}


@lru_cache(maxsize=8)
def open_storage(url: str) -> Storage:
    """
    Return the backend that an address such as `file:///var/lib/celestra/storage` names; one object per address and process.

    Raises:
        StorageUnavailableError: no backend serves the scheme.
    """
    scheme = urlsplit(url).scheme
    factory = FACTORIES.get(scheme)
    if factory is None:
        supported = ", ".join(f"{name}://" for name in sorted(FACTORIES) if name != "overlay")
        raise StorageUnavailableError(
            f'CELESTRA_STORAGE_URL begins with "{scheme}://", which no storage backend serves. Supported: {supported}'
        )
    return factory(url)


def get_storage() -> Storage:
    """Return the storage of this installation: CELESTRA_STORAGE_URL, by default the folder `storage` of CELESTRA_HOME."""
    return open_storage(_current_url())


def _current_url() -> str:
    settings = get_settings()
    return settings.storage_url or (settings.home / "storage").as_uri()
