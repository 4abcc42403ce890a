"""The Django app that holds flows, their executions and the engine that runs them."""
