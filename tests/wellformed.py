#!/usr/bin/env python3
"""Prints the texts and labels of a picture, read by an XML parser that stops at whatever no XML may hold.

    wellformed.py PICTURE.svg
"""
import sys
import xml.etree.ElementTree as tree

for element in tree.parse(sys.argv[1]).iter():
    for told in (element.text, element.get("aria-label")):
        if told:
            print(told)
