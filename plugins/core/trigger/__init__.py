"""Core triggers, and the task that switches a trigger on and off."""
