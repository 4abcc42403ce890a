"""What may stand where in a dashboard document, for completion and explanations: keys, types, choices and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flows.language.chart_data import AGGREGATIONS, FIGURE_SOURCES, FILTER_TYPES, PREFIX, SOURCES
from flows.language.dashboards import CHART_KINDS, CHART_OPTIONS, CHART_PREFIX, DEFAULT_WINDOW, LONGEST_WINDOW, WIDEST

ANY_KEY = "*"
"""Stands for a name that the author chooses, such as that of a column."""

_ABOUT_KINDS = {
    "Bar": "Bars over the values of one column, stacked by another.",
    "Pie": "Shares of a whole as a ring.",
    "Table": "Rows and columns.",
    "TimeSeries": "Bars or lines over time.",
    "KPI": "One large number.",
    "Markdown": "A text.",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """
    One property. `choices` are the values it may have, or offers when others are possible too; `inside` is what may stand
    below it, in the mapping or in each item of the list.
    """

    type: str
    description: str
    required: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()
    inside: dict[str, Shape] = field(default_factory=dict)

    def to_json(self) -> list[Any]:
        """Return `[type, description, required, default, choices, inside]`; what is empty at the end is left out."""
        inside = {name: shape.to_json() for name, shape in self.inside.items()}
        values: list[Any] = [self.type, self.description, int(self.required), self.default, list(self.choices), inside]
        while values and not values[-1]:
            values.pop()
        return values


def list_fields() -> dict[str, list[str]]:
    """Return the fields of each source, by the last word of its type."""
    fields = {name: list(found) for name, found in SOURCES.items()}
    return {**fields, **{f"{name}KPI": fields[name] for name in FIGURE_SOURCES}}


def list_chart_options() -> dict[str, list[str]]:
    """Return the options that charts of each kind have beside those of all charts, by the last word of the type."""
    return {kind: list(options) for kind, options in CHART_OPTIONS.items()}


def describe_dashboard() -> Shape:
    """Return what a dashboard document may hold."""
    sources = tuple(PREFIX + name for name in (*SOURCES, *(f"{name}KPI" for name in FIGURE_SOURCES)))
    return Shape(
        "mapping",
        "A dashboard.",
        inside={
            "id": Shape("text", "Name of the dashboard in its address; made from the title when left out."),
            "title": Shape("text", "What stands above the dashboard.", required=True),
            "description": Shape("text", "What it is for."),
            "timeWindow": Shape(
                "mapping",
                "Which time the charts show.",
                inside={
                    "default": Shape("duration", "Length at first sight.", default=f"P{DEFAULT_WINDOW.days}D"),
                    "max": Shape("duration", "The longest that a reader may choose.", default=f"P{LONGEST_WINDOW.days}D"),
                },
            ),
            "charts": Shape(
                "list", "The charts, from left to right and from top to bottom.", required=True, inside=_describe_chart(sources)
            ),
        },
    )


def _describe_chart(sources: tuple[str, ...]) -> dict[str, Shape]:
    return {
        "id": Shape("text", "Name of the chart, unique in the dashboard.", required=True),
        "type": Shape(
            "type",
            " ".join(f"{kind}: {words}" for kind, words in _ABOUT_KINDS.items()),
            required=True,
            choices=tuple(CHART_PREFIX + kind for kind in CHART_KINDS),
        ),
        "chartOptions": Shape("mapping", "How the chart looks.", inside=_describe_options()),
        "data": Shape("mapping", "What the chart shows; Markdown has none.", inside=_describe_data(sources)),
        "content": Shape("text", "The text of a Markdown chart."),
        "source": Shape(
            "mapping",
            "Where a Markdown chart has its text from.",
            inside={
                "type": Shape(
                    "type", "A text, or the description of a flow.", required=True, choices=("Text", "FlowDescription")
                ),
                "content": Shape("text", "The text, for the type Text."),
                "namespace": Shape("text", "Namespace of the flow."),
                "flowId": Shape("text", "Id of the flow."),
            },
        ),
    }


def _describe_options() -> dict[str, Shape]:
    enabled = {"enabled": Shape("flag", "Whether it is shown.", choices=("true", "false"))}
    return {
        "displayName": Shape("text", "What stands above the chart.", required=True),
        "description": Shape("text", "What the chart says."),
        "width": Shape("number", f"Columns of the grid that it takes, from 1 to {WIDEST}.", default="6"),
        "column": Shape("text", "Key of the column along the axis; a date for a TimeSeries."),
        "colorByColumn": Shape("text", "Key of the column whose values get colours of their own."),
        "numberType": Shape("text", "A plain number, or a share.", default="FLAT", choices=("FLAT", "PERCENTAGE")),
        "graphStyle": Shape("text", "Form of the ring.", choices=("PIE", "DONUT")),
        "legend": Shape("mapping", "The names of the colours.", inside=enabled),
        "header": Shape("mapping", "The head of the table.", inside=enabled),
        "pagination": Shape("mapping", "Rows page by page.", inside=enabled),
        "tooltip": Shape("text", "What is shown under the pointer.", choices=("ALL", "NONE", "SINGLE")),
    }


def _describe_data(sources: tuple[str, ...]) -> dict[str, Shape]:
    filters = {
        "field": Shape("field", "The field that is compared.", required=True),
        "type": Shape("text", "How it is compared.", required=True, choices=FILTER_TYPES),
        "value": Shape("any", "The value it is compared with."),
        "values": Shape("list", "The values for IN and NOT_IN, the conditions for OR."),
        "labelKey": Shape("text", "Which label, for the field LABELS."),
    }
    column = {
        "field": Shape("field", "The field that it shows; a COUNT needs none."),
        "agg": Shape("text", "How rows are taken together.", choices=AGGREGATIONS),
        "displayName": Shape("text", "Head of the column."),
        "labelKey": Shape("text", "Which label, for the field LABELS."),
        "graphStyle": Shape("text", "How a TimeSeries draws it.", choices=("LINES", "BARS", "POINTS")),
        "columnAlignment": Shape("text", "Where a table puts it.", choices=("LEFT", "RIGHT", "CENTER")),
    }
    order = {
        "column": Shape("text", "Key of the column.", required=True),
        "order": Shape("text", "Direction.", default="ASC", choices=("ASC", "DESC")),
    }
    return {
        "type": Shape(
            "type", "Where the rows come from; KPI charts take the types that end with KPI.", required=True, choices=sources
        ),
        "columns": Shape(
            "mapping",
            "The columns by keys of your choice.",
            required=True,
            inside={ANY_KEY: Shape("mapping", "One column.", inside=column)},
        ),
        "where": Shape("list", "Which rows count.", inside=filters),
        "orderBy": Shape("list", "Order of the rows.", inside=order),
        "numerator": Shape("list", "The part of the whole, for a KPI that is a percentage.", inside=filters),
    }
