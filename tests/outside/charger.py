#!/usr/bin/env python3
"""Chargers that nobody here wrote: the PyPI package `ocpp` in 1.6, 2.0.1 and 2.1 against a running server.

    charger.py HOST:PORT

Called by `tests/outside.rs`, which looks afterwards at what the server kept; `charger.mjs` plays the same script. Each version
is a pile of its own that charges three times: on a good line; on one that is cut in the middle; and offline, told a day late
and some of it twice, because the answers were lost. The package checks every answer against the schemas it brings along.
Prints `signed PILE BYTES` for each signed container it sends and "N passed, N failed"; exits with the number of failures.
"""
import asyncio
import base64
import json
import sys
from datetime import datetime, timedelta, timezone

import websockets
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from ocpp import v16, v201, v21
from ocpp.v16 import call as call16
from ocpp.v201 import call as call201
from ocpp.v21 import call as call21

HOST = sys.argv[1]
REGISTER = "Energy.Active.Import.Register"
START = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=4)
# When each charge begins, minutes after START, and where the register stands then and at its end, Wh.
GOOD, CUT, OFFLINE = (0, 104_321, 111_975), (120, 111_975, 120_963), (-1500, 100_000, 104_321)
MINUTES = 40
ANSWER_LOST_S = 0.5
PASSED, FAILED = [], []


def at(minutes):
    return (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def check(what, good):
    (PASSED if good else FAILED).append(what)
    print(("ok      " if good else "FAILED  ") + what, flush=True)


def kwh(wh):
    return f"{wh // 1000}.{wh % 1000:03}"


def between(charge, minute):
    """The register some minutes into a charge, Wh."""
    return charge[1] + (charge[2] - charge[1]) * minute // MINUTES


class Meter:
    """A meter that signs whole charges in OCMF with ECDSA on secp256r1."""

    def __init__(self, serial):
        self.serial, self.page, self.key = serial, 0, ec.generate_private_key(ec.SECP256R1())

    def public_key(self):
        info = serialization.PublicFormat.SubjectPublicKeyInfo
        return base64.b64encode(self.key.public_key().public_bytes(serialization.Encoding.DER, info)).decode()

    def container(self, charge):
        """The signed record of a charge, in base64."""
        self.page += 1
        readings = [self.reading("B", charge[0], charge[1]), self.reading("E", charge[0] + MINUTES, charge[2])]
        head = f'"FV":"1.0","GI":"outside","PG":"T{self.page}","MS":"{self.serial}","IS":true,"IT":"ISO14443","ID":"CARD"'
        payload = f'{{{head},"RD":[{",".join(readings)}]}}'
        signature = self.key.sign(payload.encode(), ec.ECDSA(hashes.SHA256())).hex()
        record = f'OCMF|{payload}|{{"SA":"ECDSA-secp256r1-SHA256","SD":"{signature}"}}'
        return base64.b64encode(record.encode()).decode()

    @staticmethod
    def reading(mark, minutes, wh):
        time = (START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S,000+0000 S")
        return f'{{"TM":"{time}","TX":"{mark}","RV":{kwh(wh)},"RI":"1-0:1.8.0","RU":"kWh","RT":"AC","EF":"","ST":"G"}}'


class Line:
    """A charger's connection, which can be cut and on which answers can be lost."""

    def __init__(self, identity, charge_point, protocols):
        self.identity, self.charge_point, self.protocols = identity, charge_point, protocols
        self.socket = self.station = self.listening = None

    async def connect(self, timeout=20):
        self.socket = await websockets.connect(f"ws://{HOST}/ocpp/{self.identity}", subprotocols=self.protocols)
        check(f"{self.identity} agrees on {self.protocols[0]}", self.socket.subprotocol == self.protocols[0])
        self.station = self.charge_point(self.identity, self.socket, response_timeout=timeout)

    async def listen(self):
        await self.connect()
        self.listening = asyncio.create_task(self.station.start())

    async def call(self, message, message_id=None):
        return await self.station.call(message, suppress=False, unique_id=message_id)

    def cut(self):
        if self.listening:
            self.listening.cancel()
        self.socket.transport.abort()

    async def lose_the_answer(self, message, message_id):
        """The server hears and answers; the charger does not hear the answer."""
        self.cut()
        await self.connect(ANSWER_LOST_S)
        try:
            await self.call(message, message_id)
            check(f"{self.identity} hears no answer", False)
        except asyncio.TimeoutError:
            pass
        self.socket.transport.abort()
        await self.listen()

    async def cut_while_sending(self, message):
        """The line breaks as soon as the message is out; nobody knows whether the server heard it."""
        waiting = asyncio.create_task(self.call(message))
        await asyncio.sleep(0.01)
        self.cut()
        waiting.cancel()
        await self.listen()


class In16:
    """What a charger says in 1.6."""

    def __init__(self, identity):
        self.identity, self.meter = identity, Meter(identity)

    def boot(self):
        model = {"charge_point_model": "Outside16", "charge_point_vendor": "PyPI"}
        return call16.BootNotification(meter_serial_number=self.identity, **model)

    def status(self):
        return call16.StatusNotification(connector_id=1, error_code="NoError", status="Preparing")

    def sample(self, context, wh, location="Outlet"):
        return {"value": kwh(wh), "context": context, "measurand": REGISTER, "unit": "kWh", "location": location}

    def signed(self, charge, with_key):
        container = self.meter.container(charge)
        print(f"signed {self.identity} {len(container)}")
        key = self.meter.public_key() if with_key else ""
        value = {"signedMeterData": container, "signingMethod": "", "encodingMethod": "OCMF", "publicKey": key}
        sample = {"format": "SignedData", "context": "Transaction.End", "measurand": REGISTER, "location": "Outlet"}
        return sample | {"value": json.dumps(value)}

    def start(self, charge):
        return call16.StartTransaction(connector_id=1, id_tag="OUTSIDE16", meter_start=charge[1], timestamp=at(charge[0]))

    def values(self, charge, transaction, minute, *more):
        value = {"timestamp": at(charge[0] + minute), "sampled_value": [self.sample("Sample.Periodic", between(charge, minute)), *more]}
        return call16.MeterValues(connector_id=1, transaction_id=transaction, meter_value=[value])

    def stop(self, charge, transaction, vehicle_wh=None, with_key=False):
        begin, end = [self.sample("Transaction.Begin", charge[1])], [self.sample("Transaction.End", charge[2])]
        if vehicle_wh is not None:
            begin.append(self.sample("Transaction.Begin", 0, "EV"))
            end.append(self.sample("Transaction.End", vehicle_wh, "EV"))
        end.append(self.signed(charge, with_key))
        data = [{"timestamp": at(charge[0]), "sampled_value": begin}, {"timestamp": at(charge[0] + MINUTES), "sampled_value": end}]
        ending = {"meter_stop": charge[2], "timestamp": at(charge[0] + MINUTES), "reason": "Local", "id_tag": "OUTSIDE16"}
        return call16.StopTransaction(transaction_id=transaction, transaction_data=data, **ending)

    async def play(self):
        line = Line(self.identity, v16.ChargePoint, ["ocpp1.6"])
        await line.listen()
        await begins(line, self, call16.Authorize(id_tag="OUTSIDE16"), lambda answer: answer.id_tag_info["status"])
        transaction = (await line.call(self.start(GOOD))).transaction_id
        again = (await line.call(self.start(GOOD))).transaction_id
        check(f"{self.identity} a repeated start is the same transaction", again == transaction > 0)
        for minute in (10, 20, 30):
            voltage = {"value": "230.1", "context": "Sample.Periodic", "measurand": "Voltage", "unit": "V"}
            voltages = [voltage | {"phase": phase} for phase in ("L1-N", "L2-N", "L3-N")]
            await line.call(self.values(GOOD, transaction, minute, *voltages))
        stopped = await line.call(self.stop(GOOD, transaction, vehicle_wh=7500, with_key=True))
        check(f"{self.identity} stop is accepted", stopped.id_tag_info["status"] == "Accepted")

        transaction = (await line.call(self.start(CUT))).transaction_id
        await line.call(self.values(CUT, transaction, 10))
        await line.cut_while_sending(self.values(CUT, transaction, 20))
        for minute in (20, 30):
            await line.call(self.values(CUT, transaction, minute))
        await line.call(self.stop(CUT, transaction))

        await line.lose_the_answer(self.start(OFFLINE), "lost-start")
        transaction = (await line.call(self.start(OFFLINE), "lost-start")).transaction_id
        again = (await line.call(self.start(OFFLINE), "start-under-another-id")).transaction_id
        check(f"{self.identity} a start whose answer was lost is one transaction", again == transaction > 0)
        for minute in (10, 20):
            await line.call(self.values(OFFLINE, transaction, minute))
        stop = self.stop(OFFLINE, transaction)
        await line.lose_the_answer(stop, "lost-stop")
        await line.call(stop, "lost-stop")
        await line.call(stop, "stop-under-another-id")
        line.cut()


class In2:
    """What a charger says in 2.0.1 and 2.1."""

    def __init__(self, identity, charge_point, call, protocol):
        self.identity, self.charge_point, self.messages, self.protocol = identity, charge_point, call, protocol
        self.meter, self.token = Meter(identity), {"id_token": "OUTSIDE2", "type": "ISO14443"}

    def boot(self):
        station = {"model": "Outside2", "vendor_name": "PyPI", "firmware_version": "3"}
        return self.messages.BootNotification(charging_station=station, reason="PowerUp")

    def status(self):
        return self.messages.StatusNotification(timestamp=at(0), connector_status="Occupied", evse_id=1, connector_id=1)

    def sample(self, context, wh, location="Outlet"):
        unit = {"unit": "kWh"}
        return {"value": float(kwh(wh)), "context": context, "measurand": REGISTER, "location": location, "unit_of_measure": unit}

    def signed(self, charge, with_key):
        container = self.meter.container(charge)
        print(f"signed {self.identity} {len(container)}")
        value = {"signed_meter_data": container, "encoding_method": "OCMF"}
        if with_key:
            value |= {"public_key": self.meter.public_key()}
        elif self.protocol == "ocpp2.0.1":
            value |= {"public_key": ""}
        if self.protocol == "ocpp2.0.1":
            value |= {"signing_method": ""}
        return {"signed_meter_value": value}

    def voltage(self, context):
        return {"value": 230.1, "context": context, "measurand": "Voltage", "unit_of_measure": {"unit": "V"}}

    def event(self, charge, name, kind, seq_no, minute, samples, **more):
        trigger = {"Started": "Authorized", "Updated": "MeterValuePeriodic", "Ended": "EVDeparted"}[kind]
        value = {"timestamp": at(charge[0] + minute), "sampled_value": samples}
        more |= {"transaction_info": {"transaction_id": f"{self.identity}-{name}"}, "evse": {"id": 1, "connector_id": 1}}
        if kind == "Started":
            more |= {"id_token": self.token}
        more |= {"event_type": kind, "timestamp": value["timestamp"], "trigger_reason": trigger, "seq_no": seq_no}
        return self.messages.TransactionEvent(meter_value=[value], **more)

    def start(self, charge, name, vehicle=False, **more):
        samples = [self.sample("Transaction.Begin", charge[1])]
        samples += [self.sample("Transaction.Begin", 0, "EV")] if vehicle else []
        return self.event(charge, name, "Started", 0, 0, samples, **more)

    def values(self, charge, name, minute, *others, **more):
        samples = [self.sample("Sample.Periodic", between(charge, minute)), *others]
        return self.event(charge, name, "Updated", minute // 10, minute, samples, **more)

    def stop(self, charge, name, vehicle_wh=None, with_key=False, **more):
        samples = [self.sample("Transaction.End", charge[2]) | self.signed(charge, with_key)]
        samples += [self.sample("Transaction.End", vehicle_wh, "EV")] if vehicle_wh is not None else []
        return self.event(charge, name, "Ended", 4, MINUTES, samples, **more)

    async def play(self):
        line = Line(self.identity, self.charge_point, [self.protocol, "ocpp1.6"])
        await line.listen()
        await begins(line, self, self.messages.Authorize(id_token=self.token), lambda answer: answer.id_token_info["status"])
        await line.call(self.start(GOOD, "good", vehicle=True))
        for minute in (10, 20, 30):
            voltage = self.voltage("Sample.Periodic")
            voltages = [voltage | {"phase": phase} for phase in ("L1-N", "L2-N", "L3-N")]
            await line.call(self.values(GOOD, "good", minute, *voltages))
        clock = self.voltage("Sample.Clock")
        await line.call(self.messages.MeterValues(evse_id=1, meter_value=[{"timestamp": at(15), "sampled_value": [clock]}]))
        await line.call(self.stop(GOOD, "good", vehicle_wh=7500, with_key=True))

        await line.call(self.start(CUT, "cut"))
        await line.call(self.values(CUT, "cut", 10))
        await line.cut_while_sending(self.values(CUT, "cut", 20))
        for minute in (20, 30):
            await line.call(self.values(CUT, "cut", minute))
        await line.call(self.stop(CUT, "cut"))

        start, stop = self.start(OFFLINE, "offline", offline=True), self.stop(OFFLINE, "offline", offline=True)
        await line.lose_the_answer(start, "lost-start")
        await line.call(start, "lost-start")
        await line.call(start, "start-under-another-id")
        for minute in (10, 20):
            await line.call(self.values(OFFLINE, "offline", minute, offline=True))
        await line.lose_the_answer(stop, "lost-stop")
        await line.call(stop, "lost-stop")
        await line.call(stop, "stop-under-another-id")
        line.cut()


async def begins(line, charger, authorize, status):
    boot = await line.call(charger.boot())
    check(f"{charger.identity} boot is accepted", boot.status == "Accepted")
    await line.call(charger.status())
    check(f"{charger.identity} card is accepted", status(await line.call(authorize)) == "Accepted")


async def refused():
    try:
        async with websockets.connect(f"ws://{HOST}/ocpp/PY-X", subprotocols=["nonsense"]) as socket:
            await asyncio.wait_for(socket.recv(), 10)
        check("an unknown sub-protocol is closed", False)
    except (websockets.exceptions.WebSocketException, OSError):
        check("an unknown sub-protocol is closed", True)


async def main():
    chargers = [
        In16("PY-16"),
        In2("PY-201", v201.ChargePoint, call201, "ocpp2.0.1"),
        In2("PY-21", v21.ChargePoint, call21, "ocpp2.1"),
    ]
    for charger in chargers:
        try:
            await charger.play()
            check(f"{charger.identity} plays to its end", True)
        except Exception as error:  # an error of one version must not hide the others
            check(f"{charger.identity} plays to its end: {type(error).__name__} {error}", False)
    await refused()


asyncio.run(main())
print(f"{len(PASSED)} passed, {len(FAILED)} failed")
sys.exit(len(FAILED))
