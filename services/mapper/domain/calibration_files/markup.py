"""XML of strangers: no document types, and thus no entities."""

import xml.etree.ElementTree as ET

from services.mapper.domain.calibration_files.source import SourceFile


def xml_root(file: SourceFile, tag: str) -> ET.Element:
    """Return the root element of an XML file.

    Entities, which can blow up or read other files, are only declared in a document
    type; no such file needs one.

    Raises:
        InvalidInput: It is not XML, has a document type, or another root.
    """
    if "<!DOCTYPE" in file.content:
        raise file.refusal("", "has a document type, which is not allowed")
    try:
        root = ET.fromstring(file.content)  # noqa: S314 - no document type, see above.
    except (ET.ParseError, ValueError) as error:
        raise file.refusal("", f"is not XML: {error}") from None
    if root.tag != tag:
        message = f"the outermost element must be {tag}, got {root.tag[:40]!r}"
        raise file.refusal("", message)
    return root
