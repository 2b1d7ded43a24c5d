-- What drivers are told of a station beside its name, and what they tell of a pile.

-- Author: registration. The highest price of a kWh in the course of a day, service included, CNY; in words what else there is to say of it.
ALTER TABLE station
    ADD COLUMN address     text,
    ADD COLUMN phone       text,
    ADD COLUMN fee_cny_kwh numeric CHECK (fee_cny_kwh >= 0),
    ADD COLUMN fee_note    text;
CREATE INDEX pile_by_station ON pile (station_id);
