"""Pages of ours as PDF files: A4, tagged, drawn with our own fonts, with a text that can be copied.

The layout engine gets one page and fetches nothing but our fonts. The same page gives the same bytes, as long as the
only moments in it are those that its template writes.
"""

from grader.reports.printing.engine import PANGO_PACKAGES, only_drawable, pdf_of, style_of, templates_of

__all__ = ["PANGO_PACKAGES", "only_drawable", "pdf_of", "style_of", "templates_of"]
