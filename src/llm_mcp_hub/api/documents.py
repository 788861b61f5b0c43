"""Documents in a request, whatever its dialect: PDF by value; pure."""

import re

from llm_mcp_hub.domain.chat import FilePart
from llm_mcp_hub.errors import InvalidRequest, UnsupportedParameter

PDF = "application/pdf"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")
_BEGINNING = "JVBERi0"
"""`%PDF-` in base64."""


def pdf(data: str, name: str, where: str) -> FilePart:
    """A PDF from its base64.

    Raises:
        InvalidRequest: It is none.
    """
    if not data.startswith(_BEGINNING) or _BASE64.match(data) is None:
        raise InvalidRequest(
            f"{where} is no PDF in base64 without line breaks.",
            param=where,
        )
    return FilePart(PDF, data, name)


def pdf_of_url(url: str, name: str, where: str) -> FilePart:
    """A PDF from its `data:` URL.

    Raises:
        UnsupportedParameter: It is something else.
        InvalidRequest: It says it is a PDF, and is none.
    """
    prefix = f"data:{PDF};base64,"
    if not url.startswith(prefix):
        raise UnsupportedParameter(
            f"{where}: of files only PDF can be sent, as `{prefix}…`. The hub keeps no files and "
            "fetches none; send what other files say as text.",
            param=where,
        )
    return pdf(url.removeprefix(prefix), name, where)
