"""Tasks that drop rows from row files. Rows are streamed; only the keys of a deduplication are held in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Mark, Prop, Properties, Static, StorageUri, render_value
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from flows.primitives.errors import FlowsError
from plugins.core.truth import as_condition_text, is_true

RowExpression = Annotated[Static[str], Mark(dynamic=True)]


def _row_variables(row: Any, number: int) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise TaskFailure(f"Row {number} is no map, so its fields cannot be looked at: {str(row)[:100]}", permanent=True)
    return row


class DeduplicateItems(RunnableTask):
    """Keep only the last row for each key. The kept rows stay in the order of the file."""

    type = "io.kestra.plugin.core.storage.DeduplicateItems"
    aliases = ("io.kestra.core.tasks.storages.DeduplicateItems",)
    title = "Drop repeated rows"
    examples = (
        """
        id: unique
        namespace: company.team
        inputs:
          - {id: rows, type: FILE}
        tasks:
          - id: once
            type: io.kestra.plugin.core.storage.DeduplicateItems
            from: "{{ inputs.rows }}"
            expr: "{{ id }}"
        """,
    )

    class Props(Properties):
        from_: Prop[StorageUri]
        expr: RowExpression = Field(description="Key of a row; sees the fields of the row.")

    class Output(TaskOutput):
        uri: str
        num_keys: int
        processed_items_total: int
        dropped_items_total: int

    def run(self, context: RunContext, props: Props) -> Output:
        """Read the file twice: first to find the last row of each key, then to write those rows."""
        last: dict[str, int] = {}
        total = 0
        for total, row in enumerate(context.storage.read_rows(props.from_), start=1):
            last[as_condition_text(context.render(props.expr, _row_variables(row, total)))] = total
        kept = set(last.values())
        rows = (row for number, row in enumerate(context.storage.read_rows(props.from_), start=1) if number in kept)
        uri, count = context.storage.write_rows(rows, "deduplicated.ion")
        return self.Output(uri=uri, num_keys=len(last), processed_items_total=total, dropped_items_total=total - count)


class FilterItems(RunnableTask):
    """Keep or drop the rows for which a condition holds."""

    type = "io.kestra.plugin.core.storage.FilterItems"
    aliases = ("io.kestra.core.tasks.storages.FilterItems",)
    title = "Filter rows"
    examples = (
        """
        id: only_paid
        namespace: company.team
        inputs:
          - {id: orders, type: FILE}
        tasks:
          - id: paid
            type: io.kestra.plugin.core.storage.FilterItems
            from: "{{ inputs.orders }}"
            filterCondition: "{{ state == 'paid' }}"
        """,
    )

    class Props(Properties):
        from_: Prop[StorageUri]
        filter_condition: RowExpression = Field(description="Sees the fields of the row.")
        filter_type: Prop[Literal["INCLUDE", "EXCLUDE"]] = Field(
            default="INCLUDE", description="Keep or drop the rows for which the condition holds."
        )
        error_or_null_behavior: Prop[Literal["FAIL", "INCLUDE", "EXCLUDE"]] = Field(
            default="FAIL", description="What happens to a row whose condition fails or gives null: whatever `filterType` says."
        )

    class Output(TaskOutput):
        uri: str
        processed_items_total: int
        dropped_items_total: int

    def run(self, context: RunContext, props: Props) -> Output:
        """Write the kept rows. Raises TaskFailure for a failing or null condition with FAIL."""
        total = 0

        def kept_rows() -> Iterator[Any]:
            nonlocal total
            for total, row in enumerate(context.storage.read_rows(props.from_), start=1):
                if _is_kept(context, props, row, total):
                    yield row

        uri, count = context.storage.write_rows(kept_rows(), "filtered.ion")
        return self.Output(uri=uri, processed_items_total=total, dropped_items_total=total - count)


def _is_kept(context: RunContext, props: FilterItems.Props, row: Any, number: int) -> bool:
    reason = "gave null"
    try:
        fields = _row_variables(row, number)
        value = render_value(props.filter_condition, lambda text, typed=False: context.render(text, fields, typed=typed))
    except FlowsError as error:
        value, reason = None, f"failed: {error.message}"
    if value is None:
        if props.error_or_null_behavior == "FAIL":
            raise TaskFailure(f'The condition "{props.filter_condition}" {reason} for row {number}.')
        return props.error_or_null_behavior == "INCLUDE"
    return is_true(as_condition_text(value).strip()) == (props.filter_type == "INCLUDE")
