-- What drivers are told of a station beside its name, and what they tell of a pile.

-- Author: registration. The highest price of a kWh in the course of a day, service included, CNY; in words what else there is to say of
-- it; and what the station is found by (src/search.rs; null until the next start after an upgrade).
ALTER TABLE station
    ADD COLUMN address     text,
    ADD COLUMN phone       text,
    ADD COLUMN fee_cny_kwh numeric CHECK (fee_cny_kwh >= 0),
    ADD COLUMN fee_note    text,
    ADD COLUMN search      text;
CREATE INDEX pile_by_station ON pile (station_id);

-- Author: the public pages. What drivers report, appended; nothing in it says who they are.
CREATE TABLE report (
    report_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    receipt     text COLLATE "C" NOT NULL UNIQUE,
    pile_no     bigint NOT NULL REFERENCES pile,
    reason      text NOT NULL,
    reported_at timestamptz NOT NULL
);
CREATE INDEX report_by_pile ON report (pile_no, report_no DESC);
