"""Tasks that act on executions: their own and others."""
