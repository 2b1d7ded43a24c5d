-- Stations are found by all that is told of them (DECISIONS 268).

-- What stations are found by has the pinyin of district and address, whole and by initials (src/search.rs): it is written anew at the next
-- start.
UPDATE station SET search = NULL;
