"""What the hub talks about: frozen structs and pure functions that import nothing else of ours."""
