"""Addresses of stored files: how they are parsed and checked, how they are built, and who may read which. No file is touched."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256

from flows.primitives.errors import ForbiddenError, InvalidError

SCHEME = "kestra"
MAX_ADDRESS_LENGTH = 1400
MAX_DEPTH = 256
# The longest name that common file systems take, in bytes.
MAX_NAME_BYTES = 255
MAX_CLEAN_NAME_BYTES = 180
FILES_FOLDER = "_files"
EXECUTIONS_FOLDER = "executions"

_PREFIX = f"{SCHEME}://"
# A separator, a dot or a NUL that hides behind percent signs; doubled encodings begin with an encoded percent sign.
_HIDDEN = re.compile(r"%(25)*(2e|2f|5c|00)", re.IGNORECASE)
_OWNED_KINDS = frozenset({"tasks", "trigger", "inputs"})


class InvalidAddressError(InvalidError):
    """The text is no address of a stored file."""

    code = "storage-address"


class ForeignFileError(ForbiddenError):
    """The file belongs to an execution or a namespace that the caller may not read."""

    code = "foreign-file"


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address. `parts` are the names of the folders and of the file, never empty, none of them `.` or `..`."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{_PREFIX}/{'/'.join(self.parts)}"

    def is_below(self, folder: Address) -> bool:
        """Tell whether this address lies in the folder, at any depth."""
        return len(self.parts) > len(folder.parts) and self.parts[: len(folder.parts)] == folder.parts

    def execution_id(self) -> str | None:
        """Return the id of the execution that owns the file, or None when no execution does."""
        for index in range(2, len(self.parts) - 2):
            if self.parts[index] == EXECUTIONS_FOLDER and self.parts[index + 2] in _OWNED_KINDS:
                return self.parts[index + 1]
        return None


def parse_address(text: str) -> Address:
    """
    Check an address and return its parts.

    Args:
        text: `kestra:///` followed by names that are divided by `/`. Repeated and trailing slashes are dropped, names are
            brought to Unicode form C. Percent signs have no meaning of their own.

    Returns:
        The address, with one name at least.

    Raises:
        InvalidAddressError: another scheme, a host, `.` or `..`, a backslash, a control character, an encoded separator, a name
            or address that is too long, or nothing behind the scheme.

    Source: flow language, 16.1; security, S-20.
    """
    if not text.startswith(f"{_PREFIX}/"):
        raise InvalidAddressError(f'"{_shorten(text)}" is no stored file: an address looks like {_PREFIX}/namespace/flow/...')
    return Address(_check_path(text[len(_PREFIX) :], what="stored file address"))


def parse_path(path: str) -> tuple[str, ...]:
    """
    Return the names of a relative path such as `/sql/daily.sql`; a leading slash may be missing.

    Raises:
        InvalidAddressError: as `parse_address`; also for an empty path.
    """
    return _check_path(path, what="path")


def _check_path(path: str, *, what: str) -> tuple[str, ...]:
    if len(path) > MAX_ADDRESS_LENGTH:
        raise InvalidAddressError(f"The {what} has {len(path)} characters; at most {MAX_ADDRESS_LENGTH} are allowed.")
    shown = _shorten(path)
    normal = unicodedata.normalize("NFC", path)
    if "\\" in normal or _HIDDEN.search(normal):
        raise InvalidAddressError(f'The {what} "{shown}" holds a backslash or an encoded separator: divide names by plain "/".')
    # Surrogates and control characters have no place in a name; NUL would end it early in the operating system.
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in normal):
        raise InvalidAddressError(f'The {what} "{shown}" holds a control character: use printable names.')
    parts = tuple(part for part in normal.split("/") if part)
    if not parts:
        raise InvalidAddressError(f"The {what} is empty: name a file.")
    if len(parts) > MAX_DEPTH:
        raise InvalidAddressError(f"The {what} has {len(parts)} levels; at most {MAX_DEPTH} are allowed.")
    for part in parts:
        # A name of dots and blanks is "." or ".." to some systems.
        if part.strip(" .") == "" and "." in part:
            raise InvalidAddressError(f'The {what} "{shown}" leaves its folder: "." and ".." are not allowed.')
        if len(part.encode()) > MAX_NAME_BYTES:
            raise InvalidAddressError(f'The {what} has a name of more than {MAX_NAME_BYTES} bytes: "{_shorten(part)}".')
    return parts


def _shorten(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else "?" for letter in text[:100])
    return printable if len(text) <= 100 else f"{printable}..."


def slugify(identifier: str) -> str:
    """Return an id as it stands in addresses: lower case, `_` and blanks as `-`, other characters dropped."""
    slug = re.sub(r"[^a-z0-9-]", "", re.sub(r"[\s_]+", "-", identifier.lower()))
    return slug or sha256(identifier.encode()).hexdigest()[:16]


def clean_file_name(name: str) -> str:
    """
    Return the last part of a path as a name that every backend takes: odd characters as `-`, long names shortened.

    Percent signs stay, so that a name that was encoded for an address keeps its meaning, unless they hide a separator.
    """
    base = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    kept = r"[^\w.\- ]" if _HIDDEN.search(base) else r"[^\w.\-% ]"
    base = re.sub(kept, "-", base).strip(" .") or "file"
    encoded = base.encode()
    if len(encoded) <= MAX_CLEAN_NAME_BYTES:
        return base
    stem, dot, ending = base.rpartition(".")
    ending = f"{dot}{ending}" if stem and len(ending.encode()) <= 20 else ""
    return encoded[: MAX_CLEAN_NAME_BYTES - len(ending.encode())].decode(errors="ignore") + ending


def unique_file_name(name: str) -> str:
    """Return `<random>-<name>`: two files of one name never meet, and a later attempt never overwrites an earlier one."""
    return f"{secrets.token_hex(8)}-{clean_file_name(name)}"


def _namespace_parts(namespace: str) -> tuple[str, ...]:
    # Capitals never stand in a namespace, so these two marks keep `a..b` apart from `a.b`, and the flows of a namespace
    # `a._files` out of the files of `a`.
    parts = [f"U{part}" if part.startswith("_") else part or "E" for part in namespace.split(".")]
    return _check_path("/".join(parts), what="namespace")


def flow_folder(namespace: str, flow_id: str) -> Address:
    """Return the folder of everything that a flow owns."""
    return Address((*_namespace_parts(namespace), slugify(flow_id)))


def execution_folder(namespace: str, flow_id: str, execution_id: str) -> Address:
    """Return the folder of all files of one execution."""
    return Address((*flow_folder(namespace, flow_id).parts, EXECUTIONS_FOLDER, *_single_name(execution_id)))


def task_file_address(namespace: str, flow_id: str, execution_id: str, *, task_id: str, task_run_id: str, name: str) -> Address:
    """Return where a task run puts the file `name`; the name is used as it is. Source: flow language, 16.1."""
    folder = execution_folder(namespace, flow_id, execution_id)
    return Address((*folder.parts, "tasks", slugify(task_id), *_single_name(task_run_id), *_single_name(name)))


def trigger_file_address(namespace: str, flow_id: str, execution_id: str, *, trigger_id: str, name: str) -> Address:
    """Return where a trigger puts a file for the execution that it starts."""
    folder = execution_folder(namespace, flow_id, execution_id)
    return Address((*folder.parts, "trigger", slugify(trigger_id), *_single_name(clean_file_name(name))))


def input_file_address(namespace: str, flow_id: str, execution_id: str, *, input_id: str, name: str) -> Address:
    """Return where the file of a FILE input lies."""
    folder = execution_folder(namespace, flow_id, execution_id)
    return Address((*folder.parts, "inputs", slugify(input_id), *_single_name(clean_file_name(name))))


def namespace_files_folder(namespace: str) -> Address:
    """Return the folder of the files of a namespace, without those of its children."""
    return Address((*_namespace_parts(namespace), FILES_FOLDER))


def namespace_file_address(namespace: str, path: str) -> Address:
    """Return the plain address of a namespace file; its bytes lie in versions beside it."""
    return Address((*namespace_files_folder(namespace).parts, *parse_path(path)))


def namespace_file_version_address(namespace: str, path: str) -> Address:
    """Return a fresh address for the bytes of one version, beside those of other versions: no other call returns the same."""
    plain = namespace_file_address(namespace, path)
    return Address((*plain.parts[:-1], unique_file_name(plain.parts[-1])))


def cache_address(namespace: str, flow_id: str, *, task_id: str, value: str | None = None) -> Address:
    """Return where the cache of a WorkingDirectory lies, per iteration value when there is one."""
    by_value = () if value is None else (sha256(value.encode()).hexdigest()[:32],)
    return Address((*flow_folder(namespace, flow_id).parts, slugify(task_id), "cache", *by_value, "cache.zip"))


def _single_name(name: str) -> tuple[str, ...]:
    parts = _check_path(name, what="name")
    if len(parts) != 1 or "/" in name:
        raise InvalidAddressError(f'The name "{_shorten(name)}" must not hold "/".')
    return parts


def may_read(
    address: Address,
    *,
    namespace: str,
    flow_id: str,
    execution_id: str,
    related_execution_ids: Collection[str] = (),
) -> bool:
    """
    Tell whether a task of an execution may read the file.

    Allowed are the files of the execution itself, those of the executions it came from (`related_execution_ids`: callers,
    replay sources, executions whose end triggered it) and the files of the flow's own namespace.

    Source: flow language, 16.1; security, S-20.
    """
    if address.is_below(execution_folder(namespace, flow_id, execution_id)):
        return True
    if address.is_below(namespace_files_folder(namespace)):
        return True
    return address.execution_id() in related_execution_ids


def check_may_read(
    uri: str, *, namespace: str, flow_id: str, execution_id: str, related_execution_ids: Collection[str] = ()
) -> Address:
    """
    Return the parsed address when the task may read it.

    Raises:
        InvalidAddressError: the text is no address.
        ForbiddenError: the file belongs to somebody else. Nothing tells whether it exists.
    """
    address = parse_address(uri)
    if not may_read(
        address, namespace=namespace, flow_id=flow_id, execution_id=execution_id, related_execution_ids=related_execution_ids
    ):
        raise ForeignFileError(
            f'Execution {execution_id} of flow {namespace}/{flow_id} may not read "{_shorten(uri)}": it belongs neither to this '
            "execution, nor to one it came from, nor to its namespace."
        )
    return address
