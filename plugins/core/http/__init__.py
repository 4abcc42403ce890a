"""HTTP tasks and the polling HTTP trigger."""
