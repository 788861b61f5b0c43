"""For tests: an agent that speaks the Agent Client Protocol and does what it is told to."""
