"""What the flow editor asks the server: suggestions, explanations, forms of tasks. Answers are plain values."""
