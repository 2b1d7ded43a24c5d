-- Stations are found by all that is told of them (DECISIONS 268).

-- Author: registration. How many piles a list says that a station has; none where none said so. It counts for no number of registered piles.
ALTER TABLE station ADD COLUMN told_piles int CHECK (0 <= told_piles);

-- What stations are found by has their numbers, and the pinyin of district and address, whole and by initials (src/search.rs): it is written
-- anew at the next start.
UPDATE station SET search = NULL;
