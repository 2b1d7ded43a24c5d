-- Author: registration. Stations are found by their region, too: what they are found by is written anew, with the next start.
UPDATE station SET search = NULL;
