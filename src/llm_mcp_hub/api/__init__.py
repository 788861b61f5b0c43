"""The REST API. Litestar lives here and nowhere below."""
