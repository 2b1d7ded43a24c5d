-- Keys of chargers: several may be on their way at once, and the charger may have any of them.

-- Author: registration, console, gateway. Newest first; the last is the one that the charger has come with.
ALTER TABLE access ADD COLUMN previous_hashes text[] NOT NULL DEFAULT '{}';
UPDATE access SET previous_hashes = ARRAY[previous_hash] WHERE previous_hash IS NOT NULL;
ALTER TABLE access DROP COLUMN previous_hash;

-- The last epoch of a register, found without counting them all.
CREATE INDEX register_epoch_by_number ON register_epoch (pile_no, connector, phase, epoch);
