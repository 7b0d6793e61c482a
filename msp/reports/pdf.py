"""HTML → accessible PDF (PDF/UA-1): tagged, with language, title and bookmarks.

The same HTML gives the same bytes: nothing in it comes from a clock or from chance.
"""

import hashlib

from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher


def render(html: str, css: str) -> bytes:
    """Return the PDF of a whole HTML document. Nothing is fetched: not from disk, nor a network."""
    fonts = FontConfiguration()
    fetcher = URLFetcher(allowed_protocols=("data",), allow_redirects=False)
    document = HTML(string=html, url_fetcher=fetcher)
    style = CSS(string=css, font_config=fonts, url_fetcher=fetcher)
    pdf: bytes = document.write_pdf(
        stylesheets=[style],
        font_config=fonts,
        pdf_variant="pdf/ua-1",
        pdf_identifier=hashlib.sha256((css + html).encode()).digest()[:16],
    )
    return pdf
