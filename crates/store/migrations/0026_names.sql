-- What kind of name a witness calls a vehicle by: two names of one kind are two vehicles, a VIN and a plate may be one car's. The names
-- themselves are kept as keyed hashes only.

-- Author: `veripile witness`. None in rows of before, which count as names of no known kind.
ALTER TABLE witness ADD COLUMN vehicle_kind text CHECK (vehicle_kind IN ('vin', 'plate', 'other'));
