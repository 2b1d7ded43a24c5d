#!/usr/bin/env python3
"""Builds the font that documents are set in: a subset of Noto Sans CJK SC Regular. Its output is committed.

Run by maintainers when the set of characters changes. Needs the PyPI package fonttools and the Debian package fonts-noto-cjk:

    python3 build.py /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc

Writes NotoSansCJKsc-Regular-subset.otf beside this file and prints its SHA-256 for manifest.toml.
"""
import hashlib
import pathlib
import sys

from fontTools import subset
from fontTools.ttLib import TTFont

FACE = 2  # Noto Sans CJK SC in the collection
OUTPUT = pathlib.Path(__file__).with_name("NotoSansCJKsc-Regular-subset.otf")

# Names of people and places use characters beyond GB 2312; these are the usual ones.
NAMES = (
    "喆堃珺玥昇祎翀瑄烜镕炘燚犇淼瑀璟璇珩晞暐晟曦昉旻旸昕煊煜熠钰钊铖锜錡鋆鑫骁骅琤琬琰瑆瑨璠璐瓅甡皛皞睿砼碁祺禛禤秾竑筠箐箬"
    "粲絜纮绂绨缑翛翙翯聿胤舜芃芮苡茗荃荇莙莛菂萱蓁蔺薇蘅虓衎袆裎訚谞贇赟跞轫辚邕邡郗鄯鄞酃酆醴钡铉铎锴锳镠阗阇陟隗隽霁霈霂靓韫頔颀颢飏馗骎骢鲲鸢麒麓黉"
    "甪氹圐圙塱墟堨塝嵊埭塅垟埗滘涌漖沙溇汊洣渌溵潕澧澴瀍灞猇甬砀磴垭崁崾峁塬墚圪"
)
SYMBOLS = (
    "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρστυφχψω"
    "–—‘’“”†‡•…‰′″€₂₀₁₃₄№℃Ω™←↑→↓−∓√∞∑∫≈≠≡≤≥⊥∥∠∵∴∶"
    "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳■□▲△▼▽◆◇○●◎★☆✓✕×÷±µ℗㎡㎏㎜"
)


def gb2312():
    """Every character of GB 2312: hanzi of both levels, punctuation, digits in circles, Greek, Cyrillic, kana, bopomofo."""
    found = set()
    for row in range(0xA1, 0xF8):
        for cell in range(0xA1, 0xFF):
            try:
                found.add(ord(bytes((row, cell)).decode("gb2312")))
            except UnicodeDecodeError:
                pass
    return found


def wanted():
    ranges = [range(0x20, 0x7F), range(0xA0, 0x100), range(0x2010, 0x2028), range(0x3000, 0x3018), range(0xFF01, 0xFF60), range(0xFFE0, 0xFFE7)]
    found = gb2312() | {ord(character) for character in NAMES + SYMBOLS}
    return found.union(*ranges)


def main():
    font = TTFont(sys.argv[1], fontNumber=FACE)
    options = subset.Options()
    # Set glyph by glyph, upright, left to right: no layout tables, no hints, no vertical metrics.
    options.layout_features = []
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "BASE", "vhea", "vmtx", "VORG", "DSIG"]
    options.hinting = False
    options.desubroutinize = True
    options.notdef_outline = True
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.name_languages = [0x409]
    options.recalc_timestamp = False
    work = subset.Subsetter(options)
    work.populate(unicodes=wanted())
    work.subset(font)
    subset.save_font(font, str(OUTPUT), options)
    data = OUTPUT.read_bytes()
    print(hashlib.sha256(data).hexdigest(), len(data), "bytes,", len(font.getBestCmap()), "characters")


if __name__ == "__main__":
    main()
