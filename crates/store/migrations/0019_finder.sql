-- One collation for identifiers, and indexes for what is rare.

-- A column that names another table's identifier must have its collation: otherwise no index of it serves a comparison of both, and each
-- station cost a reading of all piles. Indexes and foreign keys are made anew, tables are not rewritten.
ALTER TABLE station ALTER COLUMN operator_id TYPE text COLLATE "C";
ALTER TABLE pile
    ALTER COLUMN station_id  TYPE text COLLATE "C",
    ALTER COLUMN operator_id TYPE text COLLATE "C";
ALTER TABLE account ALTER COLUMN operator_id TYPE text COLLATE "C";
ALTER TABLE session ALTER COLUMN name TYPE text COLLATE "C";
ALTER TABLE evidence_pile
    ALTER COLUMN station_id  TYPE text COLLATE "C",
    ALTER COLUMN operator_id TYPE text COLLATE "C";

-- The piles of an operator.
CREATE INDEX pile_by_operator ON pile (operator_id, pile_id);

-- Piles with a case, with a certificate, out of use by order: none without a case can be failed or under review, none without a
-- certificate verified (src/state.rs).
CREATE INDEX standing_in_case ON standing (pile_no) WHERE body ->> 'case' IS NOT NULL;
CREATE INDEX standing_certified ON standing (pile_no) WHERE body #>> '{certificate,number}' IS NOT NULL;
CREATE INDEX standing_stopped ON standing (pile_no) WHERE body ->> 'stopped_at' IS NOT NULL;
-- How many there are, so that the planner knows when to go by these indexes and when not.
CREATE STATISTICS standing_cases ON (body ->> 'case') FROM standing;
CREATE STATISTICS standing_certificates ON (body #>> '{certificate,number}') FROM standing;
CREATE STATISTICS standing_stops ON (body ->> 'stopped_at') FROM standing;

-- Author: registration. What an operator's piles are found by, as stations' (src/search.rs). Both are written anew at the next start:
-- what is searched is without hyphens, blanks and full-width letters from now on.
ALTER TABLE operator ADD COLUMN search text;
UPDATE station SET search = NULL;
