"""Texts of blueprints that people keep."""

TEMPLATE = """id: << arg.name >>
namespace: company.team
tasks:
<% for step in arg.steps %>
  - id: << step >>
    type: io.kestra.plugin.core.log.Log
    message: "{{ flow.id }} does << step | upper >>"
<% endfor %>
extend:
  templateArguments:
    - {id: name, type: STRING}
    - {id: steps, type: ARRAY, itemType: STRING, defaults: [load]}
"""
