"""Script plugins: programs and commands in many languages, and the task runners that execute them."""
