"""Child processes: started from a spec, spoken to in lines, kept in a pool, and always ended.

Nothing here knows what an LLM is.
"""
