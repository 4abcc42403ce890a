"""Flow tasks: those that arrange other tasks, start flows, wait, or clean up revisions."""
