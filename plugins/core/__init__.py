"""The core plugins: every type of the `io.kestra.plugin.core` name space but scripts and dashboards."""
