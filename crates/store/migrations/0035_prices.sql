-- What stations ask for a kWh by the hour of the day: what a wrong clock costs.

-- Author: registration (`veripile register --prices`). Energy and service together, for the whole day: from each minute of the day in China on
-- a price, until the next. Appended; of rows for one station and day the newest counts. No day: from ever, until the first that is named.
CREATE TABLE station_price (
    price_no    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station_id  text COLLATE "C" NOT NULL REFERENCES station,
    valid_from  date,
    from_minute integer[] NOT NULL,
    cny_kwh     numeric[] NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CHECK (cardinality(from_minute) = cardinality(cny_kwh) AND cardinality(from_minute) > 0 AND from_minute[1] = 0)
);
CREATE INDEX station_price_by_station ON station_price (station_id, valid_from, price_no DESC);

-- Author: assess. From when on an assessment knew of it.
CREATE TABLE evidence_price (
    price_no   bigint PRIMARY KEY REFERENCES station_price,
    known_from timestamptz NOT NULL
);

-- The latest moment at which anything was taken in is asked for at each look, since more than one process may take in.
CREATE INDEX evidence_pile_by_known ON evidence_pile (known_from);
CREATE INDEX evidence_act_by_known ON evidence_act (known_from);
