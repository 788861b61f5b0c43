"""Sources of completions: the contract, and a base for those that are programs."""
