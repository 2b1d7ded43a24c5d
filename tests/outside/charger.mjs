// Chargers that nobody here wrote: the npm package `ocpp-rpc` in 1.6 and 2.0.1 against a running server.
//
//   charger.mjs HOST:PORT
//
// Called by `tests/outside.rs`. The script is that of `charger.py`, which explains it: three charges on a pile of each
// version, on a good line, on one that is cut, and offline. In strict mode the package checks every call and every answer
// against schemas of its own. Prints `signed PILE BYTES` for each signed container it sends and "N passed, N failed".
import { generateKeyPairSync, sign } from 'node:crypto';
import { RPCClient } from 'ocpp-rpc';

const host = process.argv[2];
const REGISTER = 'Energy.Active.Import.Register';
const START = Math.floor(Date.now() / 1000) * 1000 - 4 * 3600_000;
// When each charge begins, minutes after START, and where the register stands then and at its end, Wh.
const GOOD = { name: 'good', begin: 0, from: 104_321, to: 111_975 };
const CUT = { name: 'cut', begin: 120, from: 111_975, to: 120_963 };
const OFFLINE = { name: 'offline', begin: -1500, from: 100_000, to: 104_321 };
const MINUTES = 40;
const ANSWER_LOST_MS = 500;
let passed = 0, failed = 0;

const at = minutes => new Date(START + minutes * 60_000).toISOString();
const kwh = wh => (wh / 1000).toFixed(3);
const between = (charge, minute) => charge.from + Math.floor((charge.to - charge.from) * minute / MINUTES);
const later = ms => new Promise(done => setTimeout(done, ms));
function check(what, good) {
  if (good) passed += 1; else failed += 1;
  console.log((good ? 'ok      ' : 'FAILED  ') + what);
}

/** A meter that signs whole charges in OCMF with ECDSA on secp256r1. */
class Meter {
  constructor(serial) {
    this.serial = serial;
    this.page = 0;
    this.keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  }

  publicKey() { return this.keys.publicKey.export({ format: 'der', type: 'spki' }).toString('base64'); }

  /** A `SignedMeterValueType`: the signed record of a charge in base64. */
  value(charge, withKey) {
    this.page += 1;
    const reading = (mark, minutes, wh) => `{"TM":"${at(minutes).slice(0, 19)},000+0000 S","TX":"${mark}","RV":${kwh(wh)},`
      + '"RI":"1-0:1.8.0","RU":"kWh","RT":"AC","EF":"","ST":"G"}';
    const readings = [reading('B', charge.begin, charge.from), reading('E', charge.begin + MINUTES, charge.to)];
    const payload = `{"FV":"1.0","GI":"outside","PG":"T${this.page}","MS":"${this.serial}","IS":true,"IT":"ISO14443","ID":"CARD",`
      + `"RD":[${readings}]}`;
    const signature = sign('sha256', Buffer.from(payload), this.keys.privateKey).toString('hex');
    const record = `OCMF|${payload}|{"SA":"ECDSA-secp256r1-SHA256","SD":"${signature}"}`;
    const signedMeterData = Buffer.from(record).toString('base64');
    console.log(`signed ${this.serial} ${signedMeterData.length}`);
    return { signedMeterData, signingMethod: '', encodingMethod: 'OCMF', publicKey: withKey ? this.publicKey() : '' };
  }
}

/** A charger's connection, which can be cut and on which answers can be lost. */
class Line {
  constructor(identity, protocol) { Object.assign(this, { identity, protocol }); }

  async connect() {
    const options = { endpoint: `ws://${host}/ocpp`, identity: this.identity, protocols: [this.protocol] };
    this.client = new RPCClient({ ...options, strictMode: true, reconnect: false, callTimeoutMs: 20_000 });
    this.client.on('strictValidationFailure', event => check(`${this.identity} ${event.method}: ${event.error}`, false));
    await this.client.connect();
    check(`${this.identity} agrees on ${this.protocol}`, this.client.protocol === this.protocol);
  }

  call([action, payload]) { return this.client.call(action, payload); }

  async cut() { await this.client.close({ force: true }); }

  /** The server hears and answers; the charger does not hear the answer. */
  async loseTheAnswer([action, payload]) {
    await this.client.call(action, payload, { noReply: true });
    await later(ANSWER_LOST_MS);
    await this.cut();
    await this.connect();
  }

  /** The line breaks as soon as the message is out; nobody knows whether the server heard it. */
  async cutWhileSending([action, payload]) {
    await this.client.call(action, payload, { noReply: true });
    await this.cut();
    await this.connect();
  }
}

/** What a charger says in 1.6. */
class In16 {
  constructor(identity) {
    Object.assign(this, { identity, meter: new Meter(identity), line: new Line(identity, 'ocpp1.6') });
  }

  sample(context, wh, location = 'Outlet') { return { value: kwh(wh), context, measurand: REGISTER, unit: 'kWh', location }; }

  signed(charge, withKey) {
    const value = JSON.stringify(this.meter.value(charge, withKey));
    return { value, format: 'SignedData', context: 'Transaction.End', measurand: REGISTER, location: 'Outlet' };
  }

  boot() {
    const payload = { chargePointModel: 'Outside16', chargePointVendor: 'npm', meterSerialNumber: this.identity };
    return ['BootNotification', payload];
  }

  status() { return ['StatusNotification', { connectorId: 1, errorCode: 'NoError', status: 'Preparing' }]; }

  authorize() { return ['Authorize', { idTag: 'OUTSIDE16' }]; }

  start(charge) {
    const payload = { connectorId: 1, idTag: 'OUTSIDE16', meterStart: charge.from, timestamp: at(charge.begin) };
    return ['StartTransaction', payload];
  }

  values(charge, transactionId, minute, ...more) {
    const sampledValue = [this.sample('Sample.Periodic', between(charge, minute)), ...more];
    const meterValue = [{ timestamp: at(charge.begin + minute), sampledValue }];
    return ['MeterValues', { connectorId: 1, transactionId, meterValue }];
  }

  stop(charge, transactionId, { vehicleWh, withKey } = {}) {
    const begin = [this.sample('Transaction.Begin', charge.from)], end = [this.sample('Transaction.End', charge.to)];
    if (vehicleWh !== undefined) {
      begin.push(this.sample('Transaction.Begin', 0, 'EV'));
      end.push(this.sample('Transaction.End', vehicleWh, 'EV'));
    }
    end.push(this.signed(charge, withKey));
    const timestamp = at(charge.begin + MINUTES);
    const transactionData = [{ timestamp: at(charge.begin), sampledValue: begin }, { timestamp, sampledValue: end }];
    const payload = { transactionId, meterStop: charge.to, timestamp, reason: 'Local', idTag: 'OUTSIDE16', transactionData };
    return ['StopTransaction', payload];
  }

  async play() {
    const { line } = this;
    const { idTagInfo } = await begins(this);
    check(`${this.identity} card is accepted`, idTagInfo.status === 'Accepted');
    let { transactionId } = await line.call(this.start(GOOD));
    let again = await line.call(this.start(GOOD));
    check(`${this.identity} a repeated start is the same transaction`, again.transactionId === transactionId);
    for (const minute of [10, 20, 30]) {
      const voltage = phase => ({ value: '230.1', context: 'Sample.Periodic', measurand: 'Voltage', unit: 'V', phase });
      await line.call(this.values(GOOD, transactionId, minute, ...['L1-N', 'L2-N', 'L3-N'].map(voltage)));
    }
    const stopped = await line.call(this.stop(GOOD, transactionId, { vehicleWh: 7500, withKey: true }));
    check(`${this.identity} stop is accepted`, stopped.idTagInfo.status === 'Accepted');

    ({ transactionId } = await line.call(this.start(CUT)));
    await line.call(this.values(CUT, transactionId, 10));
    await line.cutWhileSending(this.values(CUT, transactionId, 20));
    for (const minute of [20, 30]) await line.call(this.values(CUT, transactionId, minute));
    await line.call(this.stop(CUT, transactionId));

    await line.loseTheAnswer(this.start(OFFLINE));
    ({ transactionId } = await line.call(this.start(OFFLINE)));
    again = await line.call(this.start(OFFLINE));
    check(`${this.identity} a start whose answer was lost is one transaction`, again.transactionId === transactionId);
    for (const minute of [10, 20]) await line.call(this.values(OFFLINE, transactionId, minute));
    const stop = this.stop(OFFLINE, transactionId);
    await line.loseTheAnswer(stop);
    await line.call(stop);
    await line.call(stop);
  }
}

/** What a charger says in 2.0.1. */
class In201 {
  constructor(identity) {
    Object.assign(this, { identity, meter: new Meter(identity), line: new Line(identity, 'ocpp2.0.1') });
    this.idToken = { idToken: 'OUTSIDE2', type: 'ISO14443' };
  }

  sample(context, wh, location = 'Outlet') {
    return { value: Number(kwh(wh)), context, measurand: REGISTER, location, unitOfMeasure: { unit: 'kWh' } };
  }

  voltage(context, phase) {
    return { value: 230.1, context, measurand: 'Voltage', unitOfMeasure: { unit: 'V' }, ...(phase && { phase }) };
  }

  boot() {
    const chargingStation = { model: 'Outside2', vendorName: 'npm', firmwareVersion: '3' };
    return ['BootNotification', { chargingStation, reason: 'PowerUp' }];
  }

  status() {
    const payload = { timestamp: at(0), connectorStatus: 'Occupied', evseId: 1, connectorId: 1 };
    return ['StatusNotification', payload];
  }

  authorize() { return ['Authorize', { idToken: this.idToken }]; }

  event(charge, eventType, seqNo, minute, sampledValue, more = {}) {
    const triggerReason = { Started: 'Authorized', Updated: 'MeterValuePeriodic', Ended: 'EVDeparted' }[eventType];
    const timestamp = at(charge.begin + minute), meterValue = [{ timestamp, sampledValue }];
    const transactionInfo = { transactionId: `${this.identity}-${charge.name}` };
    const whole = { eventType, timestamp, triggerReason, seqNo, transactionInfo, evse: { id: 1, connectorId: 1 }, meterValue };
    return ['TransactionEvent', { ...whole, ...(charge === OFFLINE && { offline: true }), ...more }];
  }

  start(charge, vehicle = []) {
    const samples = [this.sample('Transaction.Begin', charge.from), ...vehicle];
    return this.event(charge, 'Started', 0, 0, samples, { idToken: this.idToken });
  }

  values(charge, minute, ...more) {
    const samples = [this.sample('Sample.Periodic', between(charge, minute)), ...more];
    return this.event(charge, 'Updated', minute / 10, minute, samples);
  }

  stop(charge, vehicle = [], withKey = false) {
    const signedMeterValue = this.meter.value(charge, withKey);
    const samples = [{ ...this.sample('Transaction.End', charge.to), signedMeterValue }, ...vehicle];
    return this.event(charge, 'Ended', 4, MINUTES, samples);
  }

  async play() {
    const { line } = this;
    const { idTokenInfo } = await begins(this);
    check(`${this.identity} card is accepted`, idTokenInfo.status === 'Accepted');
    await line.call(this.start(GOOD, [this.sample('Transaction.Begin', 0, 'EV')]));
    for (const minute of [10, 20, 30]) {
      const voltages = ['L1-N', 'L2-N', 'L3-N'].map(phase => this.voltage('Sample.Periodic', phase));
      await line.call(this.values(GOOD, minute, ...voltages));
    }
    const meterValue = [{ timestamp: at(15), sampledValue: [this.voltage('Sample.Clock')] }];
    await line.call(['MeterValues', { evseId: 1, meterValue }]);
    await line.call(this.stop(GOOD, [this.sample('Transaction.End', 7500, 'EV')], true));

    await line.call(this.start(CUT));
    await line.call(this.values(CUT, 10));
    await line.cutWhileSending(this.values(CUT, 20));
    for (const minute of [20, 30]) await line.call(this.values(CUT, minute));
    await line.call(this.stop(CUT));

    const start = this.start(OFFLINE), stop = this.stop(OFFLINE);
    await line.loseTheAnswer(start);
    await line.call(start);
    await line.call(start);
    for (const minute of [10, 20]) await line.call(this.values(OFFLINE, minute));
    await line.loseTheAnswer(stop);
    await line.call(stop);
    await line.call(stop);
  }
}

async function begins(charger) {
  await charger.line.connect();
  const boot = await charger.line.call(charger.boot());
  check(`${charger.identity} boot is accepted`, boot.status === 'Accepted');
  await charger.line.call(charger.status());
  return charger.line.call(charger.authorize());
}

for (const charger of [new In16('JS-16'), new In201('JS-201')]) {
  try {
    await charger.play();
    check(`${charger.identity} plays to its end`, true);
  } catch (error) { // an error of one version must not hide the others
    check(`${charger.identity} plays to its end: ${error}`, false);
  }
  await charger.line.cut();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed);
