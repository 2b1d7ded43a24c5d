-- A key that comes with a record is looked up by itself, too: it may be registered for another meter than the record names (DECISIONS 290).
CREATE INDEX meter_key_by_key ON meter_key (public_key);
