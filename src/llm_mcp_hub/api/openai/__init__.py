"""The OpenAI dialect: schemas, pure conversion, and the routes."""
