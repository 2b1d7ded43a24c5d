#!/usr/bin/env python3
"""Writes what the fuzz targets begin with: `records/` (signed, with their keys) and `seeds/` (a few inputs for each target).

    seeds.py      with PyCA `cryptography` at hand; tests/outside/requirements.txt pins it

Its output is checked in: fuzzing needs no Python. Keys are fixed and signatures deterministic (RFC 6979), so that it writes the
same files each time. The private keys are for this test only.
"""
import base64
import json
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = Path(__file__).parent
# How the first byte of an input is understood: harness::signed.
RAW, EDIT_RECORD, EDIT_KEY = b"\0", b"\1", b"\2"


def sign(private, text):
    return private.sign(text.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True)).hex()


def public(private, form):
    encoding = serialization.Encoding.DER if form == serialization.PublicFormat.SubjectPublicKeyInfo else serialization.Encoding.X962
    return private.public_key().public_bytes(encoding, form).hex()


def ocmf():
    private = ec.derive_private_key(0x1D0C3F, ec.SECP256R1())
    reading = '{"TM":"2026-03-01T%s:00:00,000+0800 S","TX":"%s","RV":%s,"RI":"1-0:1.8.0","RU":"kWh","EF":"","ST":"G"}'
    readings = ",".join([reading % ("08", "B", "100.000"), reading % ("09", "E", "104.321")])
    payload = f'{{"FV":"1.0","PG":"T1","MS":"FUZZ-1","IS":true,"ID":"a|b","RD":[{readings}]}}'
    record = f'OCMF|{payload}|{{"SA":"ECDSA-secp256r1-SHA256","SD":"{sign(private, payload)}"}}'
    return public(private, serialization.PublicFormat.SubjectPublicKeyInfo), record


def pcdf():
    private = ec.derive_private_key(0x9CDF01, ec.SECP256R1())
    key = public(private, serialization.PublicFormat.UncompressedPoint)
    fields = ["ST:260301080000", "CT:260301090000", "CD:010000", "TV:1", "BV:1", "CSC:1", "SP:1", "RV:0004.321*kWh", "SI:C*1*t"]
    fields += ["CS:0a1b2c3d", "HW:FUZZ-2", "DT:0", f"PK:{key}"]
    signed = "128.8.0" + "".join(f"({field})" for field in fields)
    return key, f"{signed}(SG:{sign(private, signed)})"


def frames():
    sample = {"value": "12.500", "unit": "kWh", "context": "Transaction.End"}
    values = [{"timestamp": "2026-03-01T08:00:00Z", "sampledValue": [sample, {"value": "7", "location": "EV"}]}]
    event = {"eventType": "Ended", "timestamp": "2026-03-01T08:00:00Z", "triggerReason": "EVDeparted", "seqNo": 1, "offline": True}
    event |= {"transactionInfo": {"transactionId": "T"}, "evse": {"id": 1}, "idToken": {"idToken": "CARD", "type": "ISO14443"}}
    signed = {"signedMeterData": "T0NNRnw=", "signingMethod": "", "encodingMethod": "OCMF", "publicKey": ""}
    number = {"value": 12.5, "unitOfMeasure": {"unit": "Wh", "multiplier": 3}, "signedMeterValue": signed}
    start = {"connectorId": 1, "idTag": "CARD", "meterStart": 5, "timestamp": "2026-03-01T08:00:00Z"}
    yield [2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}]
    yield [2, "2", "StartTransaction", start]
    yield [2, "3", "StopTransaction", {"transactionId": 1, "meterStop": 9, "timestamp": "2026-03-01T09:00:00Z", "transactionData": values}]
    yield [2, "4", "MeterValues", {"connectorId": 1, "transactionId": 1, "meterValue": values}]
    yield [2, "5", "TransactionEvent", event | {"meterValue": [{"timestamp": "2026-03-01T08:00:00Z", "sampledValue": [number]}]}]
    yield [3, "6", {"status": "Accepted"}]
    yield [4, "7", "InternalError", "why", {}]
    yield [2, "8", "Authorize", {"idTag": "a\"b", "vin": 7}]


def write(name, content):
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


for name, (key, record) in {"ocmf": ocmf(), "pcdf": pcdf()}.items():
    write(f"records/{name}.txt", f"{key}\n{record}\n")
    write(f"seeds/{name}/unchanged", EDIT_RECORD)
    write(f"seeds/{name}/one-bit", EDIT_RECORD + bytes([0, 0, 40, 1]))
    write(f"seeds/{name}/key", EDIT_KEY + bytes([0, 0, 60, 1]))
    write(f"seeds/{name}/raw", RAW + record.encode())
# Alfen's and EDL40's records stand beside the code that reads them; an input begins with what is done to them (harness::binary).
TEXT, BYTES, KEY = b"\1", b"\2", b"\3"
for record, name in [(b"", "alfen"), (b"\0", "edl40"), (b"\1", "edl40"), (b"\2", "edl40")]:
    number = f"-{record[0]}" if record else ""
    for kind, word in [(TEXT, "text"), (BYTES, "bytes"), (KEY, "key")]:
        write(f"seeds/{name}/{word}{number}", record + kind)
        write(f"seeds/{name}/{word}{number}-one-bit", record + kind + bytes([0, 0, 40, 1]))
signed = f"<signedData format='OCMF' encoding='plain'>{ocmf()[1].replace('&', '&amp;')}</signedData>"
value = f"<value transactionId='1' context='Transaction.Begin'>{signed}<publicKey encoding='hex'>{ocmf()[0]}</publicKey></value>"
write("seeds/container/two", f"<?xml version='1.0'?>\n<values>{value}{value}</values>")
write("seeds/container/entities", "<values><value><signedData><![CDATA[a<b]]>&amp;&#65;\r\n</signedData></value></values>")
write("seeds/container/doctype", "<!DOCTYPE values [<!ENTITY a 'aa'>]><values><value><signedData>&a;</signedData></value></values>")
for number, frame in enumerate(frames()):
    write(f"seeds/frame/{number}", json.dumps(frame))
for number in range(6):
    write(f"seeds/normaliser/{number}", bytes((number + 7 * at * (number + 1)) % 256 for at in range(96)))
