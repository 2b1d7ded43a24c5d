"""Walks our OCPI as another party would, and holds every answer against the models of a library that is not ours (extrawest-ocpi).

ocpi.py URL TOKEN_A RECORD PRICES: registers, reads all locations page by page and one by one, and all tariffs, of which it computes for each
minute of some days what a kWh costs and holds it against the table PRICES that was registered; sends a charge detail record with the signed
record of the file RECORD ({public_key, signed_data}). Prints what it read as JSON. Called by ocpi.rs; complains on stderr and ends with 1.
"""
import base64, csv, json, re, sys, urllib.error, urllib.request
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from py_ocpi.core.schemas import OCPIResponse
from py_ocpi.modules.cdrs.v_2_2_1.schemas import Cdr
from py_ocpi.modules.credentials.v_2_2_1.schemas import Credentials
from py_ocpi.modules.locations.v_2_2_1.schemas import EVSE, Connector, Location
from py_ocpi.modules.tariffs.v_2_2_1.schemas import Tariff
from py_ocpi.modules.versions.schemas import Version
from py_ocpi.modules.versions.v_2_2_1.schemas import VersionDetail

URL, TOKEN_A, RECORD = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3]))
PRICES = list(csv.DictReader(open(sys.argv[4], encoding="utf-8")))
CHINA = timezone(timedelta(hours=8))


def call(method, url, token, body=None, encode=True, status=200, number=None):
    """One request: data, headers. Any other HTTP status than the expected is a failure. `number` makes something of each number's digits."""
    shown = base64.b64encode(token.encode()).decode() if encode else token
    headers = {"Authorization": f"Token {shown}", "Content-Type": "application/json", "X-Request-ID": "r-1", "X-Correlation-ID": "c-1"}
    request = urllib.request.Request(url, method=method, headers=headers, data=None if body is None else json.dumps(body).encode())
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        answer = error
    content = answer.read()
    assert answer.status == status, f"{method} {url}: {answer.status} {content[:300]}"
    assert answer.headers["X-Request-ID"] == "r-1" and answer.headers["X-Correlation-ID"] == "c-1", answer.headers
    assert (answer.headers["WWW-Authenticate"] or "").startswith("Token ") == (status == 401), answer.headers
    told = json.loads(content, parse_float=number, parse_int=number)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["timestamp"]), told
    if status == 200:
        OCPIResponse.parse_obj(told)
        assert int(told["status_code"]) == 1000, told
    else:
        assert told["status_code"] >= 2000 and told["status_message"], told
    return told.get("data"), answer.headers


def register():
    versions, _ = call("GET", f"{URL}/ocpi/versions", TOKEN_A)
    [version] = [Version.parse_obj(one) for one in versions]
    assert version.version == "2.2.1"
    details = VersionDetail.parse_obj(call("GET", version.url, TOKEN_A)[0])
    urls = {endpoint.identifier.value: (endpoint.url, endpoint.role.value) for endpoint in details.endpoints}
    assert urls["locations"][1] == urls["tariffs"][1] == "SENDER" and urls["cdrs"][1] == "RECEIVER", urls
    credentials, locations, tariffs = (urls[name][0] for name in ("credentials", "locations", "tariffs"))
    # The first token opens nothing but the registration.
    for closed in (locations, tariffs):
        call("GET", closed, TOKEN_A, status=401)
        call("GET", closed, "wrong", status=401)
    call("PUT", credentials, TOKEN_A, {}, status=405)
    call("DELETE", credentials, TOKEN_A, status=405)
    role = {"role": "EMSP", "party_id": "TST", "country_code": "CN", "business_details": {"name": "测试"}}
    ours = {"token": "token-b", "url": "https://example.org/ocpi/versions", "roles": [role]}
    for wrong in ({}, {**ours, "roles": []}, {**ours, "url": "file:///etc/passwd"}, {**ours, "roles": [{**role, "party_id": "LONG"}]}):
        call("POST", credentials, TOKEN_A, wrong, status=400)
    given = Credentials.parse_obj(call("POST", credentials, TOKEN_A, ours)[0])
    [us] = given.roles
    # The library takes case-insensitive texts for lower-case ones.
    assert (us.role.value, us.country_code, us.party_id) == ("NAP", "cn", "vpl"), us
    call("GET", f"{URL}/ocpi/versions", TOKEN_A, status=401)
    call("POST", credentials, given.token, ours, status=405)
    # As it is, too: many send it so.
    call("GET", f"{URL}/ocpi/versions", given.token, encode=False)
    renewed = Credentials.parse_obj(call("PUT", credentials, given.token, ours)[0])
    assert renewed.token != given.token
    call("GET", credentials, given.token, status=401)
    assert call("GET", credentials, renewed.token)[0]["token"] == renewed.token
    return renewed.token, credentials, locations, tariffs, urls["cdrs"][0]


def read(token, locations):
    found, url, pages = [], f"{locations}?limit=5", 0
    while url:
        data, headers = call("GET", url, token)
        assert len(data) <= 5 and int(headers["X-Limit"]) >= 5
        found += [(Location.parse_obj(one), one)[1] for one in data]
        total = int(headers["X-Total-Count"])
        link = headers["Link"]
        url = re.fullmatch(r'<([^>]+)>; rel="next"', link)[1] if link else None
        pages += 1
    assert len(found) == total == len({one["id"] for one in found}) and pages == -(-total // 5), (len(found), total, pages)
    for one in found:
        for text in ("id", "country_code", "party_id"):
            assert one[text].isascii() and one[text], one
        alone = call("GET", f"{locations}/{one['id']}", token)[0]
        assert alone == one, (alone, one)
        for evse in one["evses"]:
            assert EVSE.parse_obj(evse).connectors, evse
            assert one["last_updated"] >= evse["last_updated"] >= max(c["last_updated"] for c in evse["connectors"])
            assert re.fullmatch(r"-?\d{1,2}\.\d{5,7}", evse["coordinates"]["latitude"]), evse
            assert {"verification", "assessment", "assumed"} <= set(evse["veripile"]), evse
    first = found[0]
    evse = call("GET", f"{locations}/{first['id']}/{first['evses'][0]['uid']}", token)[0]
    assert evse == first["evses"][0]
    connector = call("GET", f"{locations}/{first['id']}/{evse['uid']}/1", token)[0]
    assert Connector.parse_obj(connector) and connector == evse["connectors"][0]
    for gone in ("nowhere", f"{first['id']}/nothing", f"{first['id']}/{evse['uid']}/99", "md5-0", "%00"):
        call("GET", f"{locations}/{gone}", token, status=404)
    # Also what no handler of ours ever sees: a parameter twice, a method that is not there.
    call("PATCH", locations.replace("/locations", "/credentials"), token, status=405)
    for wrong in ("date_from=yesterday", "offset=-1", "limit=many", "date_to=2026-13-01T00:00:00Z", "offset=1e9", "limit=1&limit=2"):
        call("GET", f"{locations}?{wrong}", token, status=400)
    # From the newest change on: at least what changed then, before the oldest nothing.
    newest = max(one["last_updated"] for one in found)
    data, headers = call("GET", f"{locations}?date_from={newest}", token)
    assert {one["id"] for one in found if one["last_updated"] == newest} <= {one["id"] for one in data}
    assert int(headers["X-Total-Count"]) == len(data)
    data, headers = call("GET", f"{locations}?date_to=2020-01-01T00:00:00", token)
    assert data == [] and headers["X-Total-Count"] == "0"
    data, headers = call("GET", f"{locations}?date_from=2020-01-01T00:00:00Z&limit=2", token)
    assert "date_from=2020-01-01T00%3A00%3A00Z" in headers["Link"] and "offset=2" in headers["Link"], headers["Link"]
    # All have changed since: as many as there are, in the same order, and beyond the last page the number alone.
    assert [one["id"] for one in data] == [one["id"] for one in found[:2]] and int(headers["X-Total-Count"]) == total
    data, headers = call("GET", f"{locations}?date_from=2020-01-01T00:00:00Z&offset={total}", token)
    assert data == [] and int(headers["X-Total-Count"]) == total and not headers["Link"], headers
    return found


def minutes(clock):
    """Of the day, as the table has them: 8, 08:30, 24."""
    hours, _, rest = clock.partition(":")
    return 60 * int(hours) + int(rest or 0)


def registered(station, day, minute):
    """What the table says a kWh costs, with the digits that it has; none where it says nothing."""
    rows = [row for row in PRICES if row["station_id"] == station and (row["valid_from"] or "0000") <= day.isoformat()]
    newest = max((row["valid_from"] for row in rows), default=None)
    rows = [row for row in rows if row["valid_from"] == newest]
    at = lambda row: (minutes(row["from"]), minutes(row["to"]))
    prices = [row["cny_kwh"] for row in rows for (start, end) in [at(row)]
              if (start <= minute < end if start < end else start <= minute or minute < end)]
    assert len(prices) == (1 if rows else 0), (station, day, minute, prices)
    return prices[0] if prices else None


def holds(element, minute):
    """Whether an element is active at a minute of the day: OCPI 2.2.1, 11.4.6."""
    if "restrictions" not in element:
        return True
    times = element["restrictions"]
    assert set(times) == {"start_time", "end_time"}, times
    assert all(re.fullmatch(r"([0-1][0-9]|2[0-3]):[0-5][0-9]", time) for time in times.values()), times
    start, end = minutes(times["start_time"]), minutes(times["end_time"])
    # "If end_time < start_time then the period wraps around to the next day. To stop at end of the day use: 00:00."
    return start <= minute or minute < end if end < start else start <= minute < end


def asked_for(tariffs, day, minute):
    """What a kWh costs by these tariffs, with its digits; none where none of them is active."""
    moment = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=CHINA)
    at = lambda tariff, name, otherwise: datetime.fromisoformat(tariff[name].replace("Z", "+00:00")) if name in tariff else otherwise
    active = [tariff for tariff in tariffs if at(tariff, "start_date_time", moment) <= moment < at(tariff, "end_date_time", moment + timedelta(1))]
    assert len(active) <= 1, f"two of one type at a time: {active}"
    elements = [element for tariff in active for element in tariff["elements"] if holds(element, minute)]
    assert len(elements) == len(active), f"each minute is in one element: {day} {minute} {active}"
    components = [one for element in elements for one in element["price_components"] if one["type"] == "ENERGY"]
    assert all(one["step_size"] == "1" and "vat" not in one for one in components), components
    return components[0]["price"] if components else None


def read_tariffs(token, url, locations):
    found, page, pages = [], f"{url}?limit=2", 0
    while page:
        data, headers = call("GET", page, token, number=str)
        assert len(data) <= 2 and int(headers["X-Limit"]) >= 2
        found += data
        total = int(headers["X-Total-Count"])
        page = re.fullmatch(r'<([^>]+)>; rel="next"', headers["Link"])[1] if headers["Link"] else None
        pages += 1
    lists = {(row["station_id"], row["valid_from"]) for row in PRICES}
    assert len(found) == total == len({one["id"] for one in found}) == len(lists) and pages == -(-total // 2), (len(found), total, pages)
    at = {(location["veripile"]["station_id"], location["id"]) for location in locations}
    for one in call("GET", url, token)[0]:
        tariff = Tariff.parse_obj(one)
        assert (tariff.currency, tariff.type.value, tariff.country_code) == ("CNY", "REGULAR", "cn"), one
        assert len(one["id"]) <= 36 and [text["language"] for text in one["tariff_alt_text"]] == ["zh", "en"], one
        assert (one["veripile"]["station_id"], one["veripile"]["location_id"]) in at and one["veripile"]["tax_included"] == "YES", one
    for wrong in ("date_from=yesterday", "offset=-1", "limit=many", "date_to=2026-13-01T00:00:00Z", "offset=1e9", "limit=1&limit=2"):
        call("GET", f"{url}?{wrong}", token, status=400)
    newest = max(one["last_updated"] for one in found)
    data, headers = call("GET", f"{url}?date_from={newest}", token)
    assert {one["id"] for one in found if one["last_updated"] == newest} <= {one["id"] for one in data}
    data, headers = call("GET", f"{url}?date_to=2020-01-01T00:00:00", token)
    assert data == [] and headers["X-Total-Count"] == "0"
    data, headers = call("GET", f"{url}?date_from=2020-01-01T00:00:00Z&limit=2", token)
    assert "/tariffs?offset=2&" in headers["Link"] and "date_from=2020-01-01T00%3A00%3A00Z" in headers["Link"], headers["Link"]
    assert [one["id"] for one in data] == [one["id"] for one in found[:2]] and int(headers["X-Total-Count"]) == total
    # What a driver pays at each location: the day the table says, digit by digit.
    today = datetime.now(CHINA).date()
    for location in locations:
        station = location["veripile"]["station_id"]
        named = {tuple(connector["tariff_ids"]) for evse in location["evses"] for connector in evse["connectors"]}
        assert len(named) == 1, (station, named)
        tariffs = [one for one in found if one["id"] in named.copy().pop()]
        assert len(tariffs) == len(named.pop()) and all(one["veripile"]["location_id"] == location["id"] for one in tariffs), station
        for day in (today, today + timedelta(1), date(2098, 12, 31), date(2099, 1, 1)):
            for minute in range(24 * 60):
                told, wanted = asked_for(tariffs, day, minute), registered(station, day, minute)
                # Nothing is nothing with any number of digits: of a zero the database's driver keeps none.
                nothing = told is not None and wanted is not None and Decimal(told) == Decimal(wanted) == 0
                assert told == wanted or nothing, f"{station}, {day} {minute // 60:02}:{minute % 60:02}: {told} instead of {wanted}"
    return found


def bill(token, cdrs, location):
    evse = location["evses"][0]
    connector = evse["connectors"][0]
    start, end = "2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z"
    cdr = {
        "country_code": "CN", "party_id": "TST", "id": "CDR-1", "start_date_time": start, "end_date_time": end, "currency": "CNY",
        "cdr_token": {"country_code": "CN", "party_id": "TST", "uid": "CARD-0815", "type": "RFID", "contract_id": "CONTRACT-0815"}, "auth_method": "WHITELIST", "remark": "REMARK-0815",
        "cdr_location": {"driver_phone": "PHONE-0815", "id": location["id"], "address": "-", "city": "-", "postal_code": "-", "country": "CHN", "coordinates": evse["coordinates"], "evse_uid": evse["uid"],
                         "evse_id": "CN*TST*E1", "connector_id": "1", "connector_standard": connector["standard"],
                         "connector_format": connector["format"], "connector_power_type": connector["power_type"]},
        "charging_periods": [{"start_date_time": start, "driver": "DRIVER-0815", "dimensions": [{"type": "ENERGY", "volume": 20.25}]}],
        "signed_data": {"encoding_method": "OCMF", "public_key": RECORD["public_key"],
                        "signed_values": [{"nature": "End", "plain_data": "", "signed_data": base64.b64encode(RECORD["signed_data"].encode()).decode()}]},
        "total_cost": {"excl_vat": 30.5}, "total_energy": 20.25, "total_time": 1, "last_updated": end,
    }
    _, headers = call("POST", cdrs, token, cdr)
    kept, _ = call("GET", headers["Location"], token)
    # Repeated, it is answered as before, whatever of it is not kept; another one under its id is not taken for it, and its own verdict
    # (20.25 kWh are signed) is not told.
    for repeated in (cdr, {**cdr, "remark": "REMARK-0816"}):
        again, headers_again = call("POST", cdrs, token, repeated)
        assert headers_again["Location"] == headers["Location"] and again["veripile"]["billed_as_signed"], again
    assert kept["veripile"].pop("other_records") == 0, kept
    for other in (1, 1, 2):
        again, headers_again = call("POST", cdrs, token, {**cdr, "total_energy": other}, status=409)
        assert headers_again["Location"] == headers["Location"] and again["veripile"] == kept["veripile"], again
    stands = call("GET", headers["Location"], token)[0]
    assert stands["veripile"].pop("other_records") == 2 and stands == kept, stands
    Cdr.parse_obj(kept)
    tampered = json.loads(json.dumps(cdr))
    signed = tampered["signed_data"]["signed_values"][0]
    signed["signed_data"] = base64.b64encode(RECORD["signed_data"].replace("12.500", "12.501").encode()).decode()
    tampered["id"], tampered["total_energy"] = "CDR-2", 20.5
    forged = call("GET", call("POST", cdrs, token, tampered)[1]["Location"], token)[0]
    for wrong in ([], "text", {}, {**cdr, "id": "x" * 40}, {**cdr, "signed_data": {"signed_values": [{}] * 101}}):
        call("POST", cdrs, token, wrong, status=400)
    call("POST", cdrs, token, {**cdr, "remark": "x" * 600_000}, status=413)
    for reference in ("nothing", "00000000-0000-0000-0000-000000000000"):
        call("GET", f"{cdrs}/{reference}", token, status=404)
    return kept, forged


token, credentials, locations, tariffs, cdrs = register()
found = read(token, locations)
tariffs = read_tariffs(token, tariffs, found)
kept, forged = bill(token, cdrs, found[0])
print(json.dumps({"token": token, "locations": found, "tariffs": tariffs, "kept": kept, "forged": forged, "credentials": credentials}))
