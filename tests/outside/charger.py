#!/usr/bin/env python3
"""Chargers that nobody here wrote: the PyPI package `ocpp` charges once in 1.6 and once in 2.0.1 against a running server.

    charger.py HOST:PORT

Boots, reports status, authorises, starts, sends meter values, stops; then asks the server over HTTP whether the charge is on its
pile's page. Prints "N passed, N failed" and exits with the number of failures.
"""
import asyncio
import json
import sys
import urllib.request
from datetime import datetime, timedelta, timezone

import websockets
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call as call16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call as call201

HOST = sys.argv[1]
REGISTER = "Energy.Active.Import.Register"
START = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=2)
PASSED, FAILED = [], []


def at(minutes):
    return (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def check(what, good):
    (PASSED if good else FAILED).append(what)
    print(("ok      " if good else "FAILED  ") + what, flush=True)


def get(path):
    with urllib.request.urlopen(f"http://{HOST}{path}", timeout=20) as answer:
        return answer.read().decode()


def sampled16(context, value, unit="kWh", location="Outlet", measurand=REGISTER, phase=None):
    sample = {"value": value, "context": context, "measurand": measurand, "unit": unit, "location": location}
    return sample | ({"phase": phase} if phase else {})


def value16(minutes, *samples):
    return {"timestamp": at(minutes), "sampled_value": list(samples)}


async def in_16(identity):
    async with websockets.connect(f"ws://{HOST}/ocpp/{identity}", subprotocols=["ocpp1.6"]) as socket:
        charger = ChargePoint16(identity, socket)
        listening = asyncio.create_task(charger.start())
        boot = await charger.call(call16.BootNotification(charge_point_model="Outside16", charge_point_vendor="PyPI", meter_serial_number="OUT-16"))
        check("1.6 boot is accepted", boot.status == "Accepted")
        await charger.call(call16.StatusNotification(connector_id=1, error_code="NoError", status="Preparing"))
        answer = await charger.call(call16.Authorize(id_tag="OUTSIDE16"))
        check("1.6 card is accepted", answer.id_tag_info["status"] == "Accepted")
        start = call16.StartTransaction(connector_id=1, id_tag="OUTSIDE16", meter_start=5000, timestamp=at(0))
        first = await charger.call(start)
        again = await charger.call(start)
        check("1.6 a repeated start is the same transaction", first.transaction_id == again.transaction_id > 0)
        for minute in (10, 20, 30):
            phases = [sampled16("Sample.Periodic", "230.1", "V", measurand="Voltage", phase=phase) for phase in ("L1-N", "L2-N", "L3-N")]
            samples = [sampled16("Sample.Periodic", f"{5 + minute / 10:.3f}"), *phases]
            await charger.call(call16.MeterValues(connector_id=1, transaction_id=first.transaction_id, meter_value=[value16(minute, *samples)]))
        data = [
            value16(0, sampled16("Transaction.Begin", "5.000"), sampled16("Transaction.Begin", "0", location="EV")),
            value16(40, sampled16("Transaction.End", "12.654"), sampled16("Transaction.End", "7.5", location="EV")),
        ]
        stop = await charger.call(call16.StopTransaction(meter_stop=12654, timestamp=at(40), transaction_id=first.transaction_id, id_tag="OUTSIDE16", reason="Local", transaction_data=data))
        check("1.6 stop is answered", stop is not None)
        listening.cancel()
    page = get(f"/p/{identity}?lang=en")
    check("1.6 the charge is on its pile's page", "7.654" in page and "7.500" in page and "OUT-16" in page)
    check("1.6 it is one charge", json.loads(get(f"/api/v1/piles/{identity}"))["charges"] == 1)


def value201(minutes, *samples):
    return {"timestamp": at(minutes), "sampled_value": list(samples)}


def sampled201(context, value, location="Outlet", measurand=REGISTER, unit="kWh"):
    return {"value": value, "context": context, "measurand": measurand, "location": location, "unit_of_measure": {"unit": unit}}


async def in_201(identity):
    async with websockets.connect(f"ws://{HOST}/ocpp/{identity}", subprotocols=["ocpp2.0.1", "ocpp1.6"]) as socket:
        check("2.0.1 is agreed on where it is offered first", socket.subprotocol == "ocpp2.0.1")
        charger = ChargePoint201(identity, socket)
        listening = asyncio.create_task(charger.start())
        station = {"model": "Outside201", "vendor_name": "PyPI", "firmware_version": "3"}
        boot = await charger.call(call201.BootNotification(charging_station=station, reason="PowerUp"))
        check("2.0.1 boot is accepted", boot.status == "Accepted")
        await charger.call(call201.StatusNotification(timestamp=at(0), connector_status="Occupied", evse_id=1, connector_id=1))
        token = {"id_token": "OUTSIDE201", "type": "ISO14443"}
        answer = await charger.call(call201.Authorize(id_token=token))
        check("2.0.1 card is accepted", answer.id_token_info["status"] == "Accepted")
        common = {"transaction_info": {"transaction_id": "T-1"}, "evse": {"id": 1, "connector_id": 1}}
        begin = value201(0, sampled201("Transaction.Begin", 100.25), sampled201("Transaction.Begin", 0.0, "EV"))
        end = value201(40, sampled201("Transaction.End", 121.375), sampled201("Transaction.End", 20.875, "EV"))
        await charger.call(call201.TransactionEvent(event_type="Started", timestamp=at(0), trigger_reason="Authorized", seq_no=0, id_token=token, meter_value=[begin], **common))
        for number in (1, 2):
            middle = value201(10 * number, sampled201("Sample.Periodic", 100.25 + 5 * number))
            await charger.call(call201.TransactionEvent(event_type="Updated", timestamp=at(10 * number), trigger_reason="MeterValuePeriodic", seq_no=number, meter_value=[middle], **common))
        await charger.call(call201.MeterValues(evse_id=1, meter_value=[value201(25, sampled201("Sample.Clock", 50.0, measurand="Voltage", unit="V"))]))
        ended = call201.TransactionEvent(event_type="Ended", timestamp=at(40), trigger_reason="EVDeparted", seq_no=3, meter_value=[end], **common)
        await charger.call(ended)
        await charger.call(ended)
        listening.cancel()
    page = get(f"/p/{identity}?lang=en")
    check("2.0.1 the charge is on its pile's page", "21.125" in page and "20.875" in page)
    check("2.0.1 it is one charge", json.loads(get(f"/api/v1/piles/{identity}"))["charges"] == 1)


async def refused():
    try:
        async with websockets.connect(f"ws://{HOST}/ocpp/OUT-X", subprotocols=["nonsense"]) as socket:
            await asyncio.wait_for(socket.recv(), 10)
        check("an unknown sub-protocol is closed", False)
    except (websockets.exceptions.WebSocketException, OSError):
        check("an unknown sub-protocol is closed", True)


async def main():
    await in_16("OUT-16")
    await in_201("OUT-201")
    await refused()


asyncio.run(main())
print(f"{len(PASSED)} passed, {len(FAILED)} failed")
sys.exit(len(FAILED))
