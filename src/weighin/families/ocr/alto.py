"""ALTO 4.4: what was read as the XML of libraries and archives (https://www.loc.gov/standards/alto/)."""

from collections.abc import Iterable, Iterator

from weighin.families.ocr.hocr import around, clean
from weighin.families.ocr.transcript import Box, LineText, PageText

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://www.loc.gov/standards/alto/ns-v4# http://www.loc.gov/standards/alto/v4/alto-4-4.xsd">
 <Description>
  <MeasurementUnit>pixel</MeasurementUnit>
  <sourceImageInformation><fileName>{name}</fileName></sourceImageInformation>
  <Processing ID="weighin"><processingSoftware><softwareName>weighin</softwareName></processingSoftware></Processing>
 </Description>
 <Layout>
"""
TAIL = " </Layout>\n</alto>\n"


def written(pages: Iterable[PageText], name: str, language: str) -> Iterator[str]:
    """The file piece by piece; ``name`` is the image's."""
    yield HEAD.format(name=clean(name))
    for page in pages:
        yield _page(page, language)
    yield TAIL


def _page(page: PageText, language: str) -> str:
    wide, high = page.size
    place = f"page_{page.number}"
    blocks = "".join(_block(number, lines, page.number, language) for number, lines in page.blocks())
    size = f'WIDTH="{wide}" HEIGHT="{high}"'
    return (
        f'  <Page ID="{place}" PHYSICAL_IMG_NR="{page.number}" {size}>\n'
        f'   <PrintSpace ID="print_{page.number}" HPOS="0" VPOS="0" {size}>\n{blocks}   </PrintSpace>\n  </Page>\n'
    )


def _block(number: int, lines: list[LineText], page: int, language: str) -> str:
    place = f"{page}_{number + 1}"
    inside = "".join(_line(line, f"{place}_{at}") for at, line in enumerate(lines, 1))
    return f'    <TextBlock ID="block_{place}" {_box(around(lines))} LANG="{clean(language)}">\n{inside}    </TextBlock>\n'


def _line(line: LineText, place: str) -> str:
    pieces = []
    for at, word in enumerate(line.words, 1):
        if pieces:
            pieces.append(f'      <SP ID="space_{place}_{at}"/>\n')
        content = f'CONTENT="{clean(word.text)}" WC="{min(max(word.confidence, 0.0), 1.0):.3f}"'
        pieces.append(f'      <String ID="word_{place}_{at}" {_box(word.box)} {content}/>\n')
    return f'     <TextLine ID="line_{place}" {_box(line.box)}>\n{"".join(pieces)}     </TextLine>\n'


def _box(box: Box) -> str:
    x0, y0, x1, y1 = (round(value) for value in box)
    return f'HPOS="{x0}" VPOS="{y0}" WIDTH="{x1 - x0}" HEIGHT="{y1 - y0}"'
