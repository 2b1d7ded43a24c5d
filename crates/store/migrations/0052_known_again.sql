-- What a party bills is known again by what piles sent, and a key that comes with a record by itself.

-- Author: gateway. By what the content of a good value is known again, however it was encoded: as in `ocpi_cdr_record` (DECISIONS 288). Of what came
-- before nobody knows it, since containers are sealed.
ALTER TABLE signed_value ADD COLUMN content bytea;
CREATE INDEX signed_value_by_content ON signed_value (content) WHERE content IS NOT NULL;

-- A key may be registered for another meter than the record names that it came with (DECISIONS 290).
CREATE INDEX meter_key_by_key ON meter_key (public_key);
