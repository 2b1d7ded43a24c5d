#!/usr/bin/env python3
"""The files of a document as a server serves them, held against the signed one: what a metrologist would look at, and every number.

    documents.py FOLDER ADDRESS      FOLDER holds document.json, document.dcc.xml, zh.pdf and en.pdf

Says what was looked at, or what is wrong and ends with 1. The PDF is rendered and its QR code read off the picture; its table is read
as text. Numbers in print are the signed ones, rounded to their last digit. This knows nothing of the program that writes them.
"""
import base64
import json
import pathlib
import re
import sys
from decimal import ROUND_HALF_UP, Decimal

import numpy
import pymupdf
import zxingcpp
from lxml import etree

DCC, SI = "{https://ptb.de/dcc}", "{https://ptb.de/si}"
# Dots an inch: a code of 25 mm has some twenty a module.
DPI = 300
# Pixels that are not white on a sheet with something on it.
INK_LEAST = 0.002
# Points: what a chart is high at most, what is a line and no area, and how well a ruler reads.
CHART_HEIGHT, THIN, RULER = 300, 0.1, 0.4
KINDS = {"certificate": ("检定证书", "Verification Certificate"), "notice": ("检定结果通知书", "Notice of Verification Result")}
VERDICTS = {"conform": ("合格", "conforms"), "nonconform": ("不合格", "fails"), "undecided": ("待定", "undecided")}
HEADINGS = {
    "zh": ["检定条件与方法", "检定用计量标准器具", "检定项目与结论", "各负载点的工作误差", "误差图", "判定", "测量不确定度评定", "电子签名",
           "检定依据", "检定日期", "准确度等级", "环境温度", "相对湿度", "检定员", "核验员", "包含因子", "化整值", "限值"],
    "en": ["Conditions and method", "Standards used", "Items and conclusions", "Operating error at each load point", "Error chart",
           "Decision", "Uncertainty budgets", "Rules", "Verified on", "Accuracy class", "Temperature", "Relative humidity", "Verifier",
           "Reviewer", "coverage factor", "Rounded", "Limit"],
}
PAGES = {"zh": "第{}页共{}页", "en": "Page{}of{}"}
faults = []


def check(is_right, what):
    if not is_right:
        faults.append(what)


def squeezed(text):
    return re.sub(r"\s+", "", text)


def number(text):
    return Decimal(text.replace("−", "-").lstrip("±+"))


# The DCC

def expected_numbers(certificate):
    """Every number of the signed document that a DCC of it holds, by the id of its quantity."""
    numbers = {}
    for index, point in enumerate(certificate["result"]["points"]):
        at = f"point{index + 1}"
        setting, plan = f"{at}setting", point["point"]
        numbers |= {f"{setting}Voltage": plan["voltage_v"], f"{setting}Current": plan["current_a"]}
        if plan["power_factor"] is not None:
            numbers[f"{setting}PowerFactor"] = plan["power_factor"]
        by_pulses = plan["method"]["method"] == "pulse"
        amount = {f"{setting}Pulses": plan["method"]["pulses"]} if by_pulses else {f"{setting}Energy": plan["energy_wh"]}
        numbers |= amount | {
            f"{at}correction": point["correction_percent"],
            f"{at}error": point["error_percent"],
            f"{at}limit": point["limit_percent"],
            f"{at}standardUncertainty": point["standard_uncertainty_percent"],
            f"{at}probability": point["probability_conform"],
        }
        if point["rounded_percent"] is not None:
            numbers[f"{at}rounded"] = point["rounded_percent"]
        if point["effective_degrees_of_freedom"] is not None:
            numbers[f"{at}degreesOfFreedom"] = point["effective_degrees_of_freedom"]
        if point.get("risk") is not None:
            numbers[f"{at}risk"] = point["risk"]["specific"]
        if point.get("monte_carlo") is not None:
            of, checked = f"{at}monteCarlo", point["monte_carlo"]
            numbers |= {
                f"{of}Trials": checked["trials"],
                f"{of}Low": checked["low_percent"],
                f"{of}High": checked["high_percent"],
                f"{of}Tolerance": checked["tolerance_percent"],
                f"{of}LowDifference": checked["low_difference_percent"],
                f"{of}HighDifference": checked["high_difference_percent"],
            }
        for line_index, line in enumerate(point["budget"]):
            of = f"{at}budget{line_index + 1}"
            numbers |= {
                f"{of}Standard": line["standard_uncertainty_percent"],
                f"{of}Sensitivity": line["sensitivity"],
                f"{of}Contribution": line["contribution_percent"],
            }
            if line["degrees_of_freedom"] is not None:
                numbers[f"{of}Degrees"] = line["degrees_of_freedom"]
        readings = [reading for reading in certificate["taken"] if reading["point"] == index]
        check(len(readings) == len(point["errors_percent"]), f"{at} has {len(readings)} readings")
        for repeat, (reading, error) in enumerate(zip(readings, point["errors_percent"])):
            of, shown = f"{at}reading{repeat + 1}", reading["indication"]
            if shown["by"] == "pulses":
                numbers |= {
                    f"{of}Indicated": shown["pulses"],
                    f"{of}PileConstant": shown["pile_constant"],
                    f"{of}StandardConstant": shown["standard_constant"],
                }
            else:
                running = shown["by"] == "running"
                start_wh = shown["start"]["register_wh"] if running else shown["start_wh"]
                stop_wh = shown["stop"]["register_wh"] if running else shown["stop_wh"]
                numbers |= {
                    f"{of}Start": start_wh,
                    f"{of}Stop": stop_wh,
                    f"{of}Indicated": Decimal(stop_wh) - Decimal(start_wh),
                }
            numbers |= {
                f"{of}Reference": reading["reference"],
                f"{of}Error": error,
                f"{of}Voltage": reading["voltage_v"],
                f"{of}Current": reading["current_a"],
                f"{of}Power": reading["power_w"],
                f"{of}Discarded": reading["discarded"],
                f"{of}Duration": None,
            }
            if reading["source_c_max"] is not None:
                numbers[f"{of}SourceTemperature"] = reading["source_c_max"]
    for index, instrument in enumerate(certificate["order"]["instruments"]):
        of, calibration = f"equipment{index + 1}", instrument["calibration"]
        numbers |= {
            f"{of}uncertainty": calibration["expanded_uncertainty_percent"],
            f"{of}factor": calibration["coverage_factor"],
            f"{of}drift": calibration["drift_percent_per_year"],
        }
    conditions = certificate["conditions"]
    numbers |= {"temperatureValue": conditions["temperature_c"], "humidityValue": conditions["humidity_percent"]}
    return numbers


def read_dcc(file, signed, certificate):
    document = etree.parse(file, etree.XMLParser(no_network=True, resolve_entities=False)).getroot()
    told = {}
    for value in document.iter(f"{SI}value"):
        owner = next(element for element in value.iterancestors() if element.get("id"))
        told[owner.get("id")] = Decimal(value.text)
    numbers = expected_numbers(certificate)
    for name, value in numbers.items():
        check(name in told, f"DCC: no {name}")
        if value is not None and name in told:
            check(told[name] == Decimal(value), f"DCC: {name} is {told[name]}, signed is {value}")
    of_points = [name for name in told if re.match(r"(point|equipment)\d", name)]
    for name in of_points:
        check(name in numbers, f"DCC: {name} is nowhere in the signed document")
    for index, point in enumerate(certificate["result"]["points"]):
        error = document.find(f".//{DCC}quantity[@id='point{index + 1}error']")
        for name, signed_value in [("uncertainty", "expanded_uncertainty_percent"), ("coverageFactor", "coverage_factor")]:
            value = Decimal(error.find(f".//{SI}{name}").text)
            check(value == Decimal(point[signed_value]), f"DCC: {name} of point {index + 1} is {value}")
        conformity = error.find(f".//{DCC}conformity")
        word = {"conform": "pass", "nonconform": "fail", "undecided": None}[point["verdict"]]
        check((conformity.text if conformity is not None else None) == word, f"DCC: conformity of point {index + 1}")
    identifier = document.find(f".//{DCC}uniqueIdentifier").text
    check(identifier == certificate["number"], f"DCC: its identifier is {identifier}")
    files = [base64.b64decode(element.text) for element in document.iter(f"{DCC}dataBase64")]
    check(signed in files, "DCC: it does not hold the signed document, byte for byte")
    return len(numbers)


# The PDF

def printed(value, digits):
    """A value as print rounds it: halves away from zero."""
    return Decimal(value).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def lines(page):
    """The words of a page, line by line, from left to right."""
    rows = {}
    for x, _, _, bottom, word, *_ in page.get_text("words"):
        near = next((key for key in rows if abs(key - bottom) < 2), bottom)
        rows.setdefault(near, []).append((x, word))
    return [[word for _, word in sorted(row)] for _, row in sorted(rows.items())]


def read_table(name, document, certificate, language):
    """The table of load points: every row is there, and says what is signed."""
    rows = [row for page in document for row in lines(page)]
    for index, point in enumerate(certificate["result"]["points"]):
        plan = point["point"]
        begin = [str(index + 1), *(plan[key] for key in ("voltage_v", "current_a"))]
        is_begin = lambda row: len(row) > 6 and row[0] == begin[0] and any(word.startswith("±") for word in row) and all(
            re.fullmatch(r"[\d.]+", word) for word in row[1:3]) and [number(word) for word in row[1:3]] == [Decimal(v) for v in begin[1:]]
        found = [row for row in rows if is_begin(row)]
        check(len(found) == 1, f"{name}: load point {index + 1} has {len(found)} rows")
        if len(found) != 1:
            continue
        row = found[0]
        verdict = VERDICTS[point["verdict"]][language == "en"]
        check(row[-1] == verdict, f"{name}: load point {index + 1} is {row[-1]}")
        mean, rounded, expanded, factor, limit = row[-6:-1]
        digits = len(expanded.partition(".")[2])
        for what, text, value, places in [
            ("mean", mean, point["error_percent"], digits),
            ("U", expanded, point["expanded_uncertainty_percent"], digits),
            ("k", factor, point["coverage_factor"], len(factor.partition(".")[2])),
            ("limit", limit, point["limit_percent"], 5),
        ]:
            check(number(text) == printed(value, places), f"{name}: {what} of load point {index + 1} is {text}, signed is {value}")
        check(digits >= 2, f"{name}: U has {digits} digits")
        if point["rounded_percent"] is not None:
            check(number(rounded) == Decimal(point["rounded_percent"]), f"{name}: rounded is {rounded}, signed is {point['rounded_percent']}")


def read_chart(name, document, certificate, heading):
    """The chart beneath its heading, read with a ruler: the band of the limit, and of each load point the bar and the mark."""
    points = certificate["result"]["points"]
    places = [(page, place) for page in document for place in page.search_for(heading)]
    check(len(places) == 1, f"{name}: {len(places)} times {heading}")
    for page, place in places:
        shapes = [shape for shape in page.get_drawings() if place.y1 < shape["rect"].y0 < place.y1 + CHART_HEIGHT]
        upright = [shape["rect"] for shape in shapes if shape["type"] == "s" and shape["rect"].width < THIN < shape["rect"].height]
        level = [shape["rect"] for shape in shapes if shape["type"] == "s" and shape["rect"].height < THIN < shape["rect"].width]
        if not upright:
            break
        axis = min(upright, key=lambda line: line.x0)
        ticks = {}
        for x, top, right, bottom, word, *_ in page.get_text("words"):
            middle = (top + bottom) / 2
            grid = [line.y0 for line in level if line.x0 < axis.x0 + THIN and abs(line.y0 - middle) < 2]
            if right < axis.x0 and grid and axis.y0 - 3 < middle < axis.y1 + 3:
                ticks[float(number(word))] = grid[0]
        if len(ticks) < 2:
            break
        (low, low_y), (high, high_y) = min(ticks.items()), max(ticks.items())
        percent_of = lambda y: low + (y - low_y) * (high - low) / (high_y - low_y)
        near = RULER * (high - low) / (low_y - high_y)
        inside = lambda line: axis.x0 + THIN < line.x0 and axis.y0 <= line.y0 and line.y1 <= axis.y1 and line.height < axis.height - 1
        bars = sorted((line for line in upright if inside(line)), key=lambda line: line.x0)
        check(len(bars) == len(points), f"{name}: the chart has {len(bars)} bars for {len(points)} load points")
        marks = [shape["rect"] for shape in shapes if shape["type"] == "f"]
        for index, (point, bar) in enumerate(zip(points, bars)):
            error, expanded = float(point["error_percent"]), float(point["expanded_uncertainty_percent"])
            ends = [percent_of(bar.y1), percent_of(bar.y0)]
            check(abs(ends[0] - (error - expanded)) < near and abs(ends[1] - (error + expanded)) < near,
                  f"{name}: the bar of load point {index + 1} goes from {ends[0]:.3f} to {ends[1]:.3f} %")
            centred = [mark for mark in marks if abs((mark.x0 + mark.x1) / 2 - bar.x0) < 1 and mark.width < 12]
            check(any(abs(percent_of((mark.y0 + mark.y1) / 2) - error) < near for mark in centred),
                  f"{name}: load point {index + 1} has no mark at {error} %")
        limit = float(points[0]["limit_percent"])
        is_band = lambda mark: mark.width > 100 and abs(percent_of(mark.y0) - limit) < near and abs(percent_of(mark.y1) + limit) < near
        check(any(is_band(mark) for mark in marks), f"{name}: the chart has no band of ±{limit} %")
        return
    faults.append(f"{name}: no chart below {heading}")


def read_pdf(file, language, certificate, address):
    name = file.name
    document = pymupdf.open(file)
    pages = document.page_count
    check(2 <= pages <= 12, f"{name}: {pages} pages")
    codes = []
    for index, page in enumerate(document):
        text = squeezed(page.get_text())
        check(PAGES[language].format(index + 1, pages) in text, f"{name}: page {index + 1} does not say so")
        check("\ufffd" not in text, f"{name}: page {index + 1} has letters that are none")
        for span in page.get_texttrace():
            missing = [chr(char[0]) for char in span["chars"] if char[1] == 0]
            check(not missing, f"{name}: page {index + 1} has no glyph for {missing}")
        for font in page.get_fonts(full=True):
            check(font[1] not in ("", "n/a"), f"{name}: the font {font[3]} is not embedded")
        picture = page.get_pixmap(dpi=DPI, colorspace=pymupdf.csGRAY)
        pixels = numpy.frombuffer(picture.samples, dtype=numpy.uint8).reshape(picture.height, picture.stride)[:, : picture.width]
        check(INK_LEAST < (pixels < 128).mean() < 0.5, f"{name}: page {index + 1} is blank, or black")
        codes += [code.text for code in zxingcpp.read_barcodes(numpy.ascontiguousarray(pixels))]
    check(codes == [address], f"{name}: its QR codes say {codes}, not {address}")
    text = squeezed("".join(page.get_text() for page in document))
    order = certificate["order"]
    wanted = [
        KINDS[certificate["kind"]][language == "en"], certificate["number"], order["plate"]["pile_id"], order["body"], order["verifier"],
        order["reviewer"], order["rule_set"], certificate["conditions"]["temperature_c"], certificate["conditions"]["humidity_percent"],
        *HEADINGS[language],
    ]
    for instrument in order["instruments"]:
        wanted += [instrument["serial"], instrument["calibration"]["number"]]
    for word in wanted:
        check(squeezed(word) in text, f"{name}: it says nothing of {word}")
    read_table(name, document, certificate, language)
    read_chart(name, document, certificate, HEADINGS[language][4])
    return pages


def main():
    folder, address = pathlib.Path(sys.argv[1]), sys.argv[2]
    signed = (folder / "document.json").read_bytes()
    certificate = json.loads(signed)["certificate"]
    numbers = read_dcc(folder / "document.dcc.xml", signed, certificate)
    pages = {language: read_pdf(folder / f"{language}.pdf", language, certificate, address) for language in ("zh", "en")}
    if faults:
        sys.exit("\n".join(faults))
    print(f"{numbers} numbers of its DCC and {pages['zh']} + {pages['en']} sheets of print say what is signed")


main()
