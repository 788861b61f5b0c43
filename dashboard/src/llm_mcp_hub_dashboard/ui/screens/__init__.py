"""The screens, one module each: what it loads, what it can do, and how it looks."""
