#!/usr/bin/env python3
"""Digital Calibration Certificates against the published schemas, and their units against PTB's reader of D-SI units.

    dcc_validate.py SCHEMAS FILE...      one line a file: `valid`, or `invalid` and why

SCHEMAS is the folder with dcc_3_2_0.xsd, dsi_2_1_0.xsd and ds_0_1.xsd. The first imports the others from network addresses; they are
read from a copy in which these are files. The schemas take any text for a unit, so that units are asked for separately; and libxml2
takes letters that are not of Base64 for blanks, so that this is looked at again.
"""
import base64
import binascii
import pathlib
import re
import sys
import tempfile
import warnings

from dsi_unit.dsi_units import DsiUnit
from lxml import etree

IMPORTS = {"SI_Format.xsd": "dsi_2_1_0.xsd", "xmldsig-core-schema.xsd": "ds_0_1.xsd"}
UNIT = "{https://ptb.de/si}unit"
DATA = "{https://ptb.de/dcc}dataBase64"


def schema(folder):
    with tempfile.TemporaryDirectory() as copy:
        copy = pathlib.Path(copy)
        for name, source in IMPORTS.items():
            (copy / name).write_bytes((folder / source).read_bytes())
        text = (folder / "dcc_3_2_0.xsd").read_text(encoding="utf-8")
        text, replaced = re.subn(r'schemaLocation="https://[^"]*/([^"/]+)"', r'schemaLocation="\1"', text)
        assert replaced == len(IMPORTS), "the schema imports something else than expected"
        (copy / "dcc.xsd").write_text(text, encoding="utf-8")
        return etree.XMLSchema(etree.parse(copy / "dcc.xsd", etree.XMLParser(no_network=True)))


def fault(rules, file):
    try:
        document = etree.parse(file, etree.XMLParser(no_network=True, resolve_entities=False))
    except etree.XMLSyntaxError as error:
        return str(error)
    if not rules.validate(document):
        return str(rules.error_log[0])
    for unit in {element.text for element in document.iter(UNIT)}:
        if not DsiUnit(unit).valid:
            return f"{unit} is no unit of D-SI"
    for element in document.iter(DATA):
        try:
            base64.b64decode(element.text, validate=True)
        except binascii.Error as error:
            return f"Base64: {error}"
    return None


def main():
    warnings.simplefilter("ignore")
    rules = schema(pathlib.Path(sys.argv[1]))
    for file in sys.argv[2:]:
        found = fault(rules, file)
        print("valid" if found is None else f"invalid {found}".replace("\n", " "))


main()
