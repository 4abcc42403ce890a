"""The stored files of executions: those in its folder, and those that it may read besides."""

from __future__ import annotations

from flows.models import Execution
from flows.queries.executions import get_execution, list_related_ids
from flows.storage import get_storage
from flows.storage.contract import StoredFile
from flows.storage.uri import Address, check_may_read, execution_folder


def list_execution_files(execution_id: str) -> list[StoredFile]:
    """Return the stored files in the folder of an execution. Raises NotFoundError."""
    row = get_execution(execution_id)
    return list(get_storage().list(str(execution_folder(row.namespace, row.flow_id, row.id))))


def get_readable_address(execution: Execution, uri: str) -> Address:
    """Return the address of a file that an execution may read. Errors as `flows.storage.uri.check_may_read`."""
    return check_may_read(
        uri,
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        execution_id=execution.id,
        related_execution_ids=list_related_ids(execution),
    )
