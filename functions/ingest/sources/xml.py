"""Small XML messages of one level, read without entities, document types, depth or surprise."""

from __future__ import annotations

from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from leadtrail.domain.errors import MalformedBodyError

DEPTH = 8  # defusedxml refuses bombs and entities, but accepts a depth of 100,000 (RELIABILITY row 6)


class _Leaves:
    """Collects the text of the elements right under the root; deeper ones are counted and passed over."""

    def __init__(self) -> None:
        self.depth = 0
        self.texts: dict[str, str] = {}
        self._open: str | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEPTH:
            raise MalformedBodyError(f"XML 嵌套超过{DEPTH}层")
        if self.depth == 2:
            if tag in self.texts:
                raise MalformedBodyError("XML 字段重复")
            self._open = tag
            self.texts[tag] = ""

    def end(self, tag: str) -> None:
        self.depth -= 1
        if self.depth == 1:
            self._open = None

    def data(self, text: str) -> None:
        if self._open is not None and self.depth == 2:
            self.texts[self._open] += text

    def close(self) -> None:
        """Nothing is left to do; the parser wants to say that it is done."""


def flat_xml(raw: bytes) -> dict[str, str]:
    """Return the texts under the root by tag.

    Raises:
        MalformedBodyError: not XML; with a document type, an entity or a depth over 8; a tag twice.
    """
    leaves = _Leaves()
    parser = DefusedXMLParser(target=leaves, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(raw)
        parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise MalformedBodyError("不是有效的 XML") from error
    return leaves.texts
