"""OpenAI's Responses API: answers that are kept, and can be gone on from by their id."""
