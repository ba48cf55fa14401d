"""QR codes. The library is imported only when one is drawn: few commands and pages do."""

import io

from markupsafe import Markup


def drawing(address: str) -> Markup:
    """The QR code of an address as SVG, as a drawing that any size can be made of."""
    import segno  # noqa: PLC0415

    drawn = io.BytesIO()
    made = segno.make(address, error="m", micro=False)
    made.save(drawn, kind="svg", xmldecl=False, svgns=True, border=4, unit="mm", omitsize=False, svgclass=None)
    return Markup(drawn.getvalue().decode())  # noqa: S704 - squares that the library drew; the address is not in it


def data_uri(address: str) -> str:
    """The QR code of an address for the ``src`` of a picture, black on white in dark pages, too."""
    import segno  # noqa: PLC0415

    uri: str = segno.make(address, error="m", micro=False).svg_data_uri(scale=5, border=4, light="#fff")
    return uri
