"""Every flow in examples/, run on a system that was just started for the first time."""
