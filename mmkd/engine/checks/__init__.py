"""What is refused before training time is spent."""
