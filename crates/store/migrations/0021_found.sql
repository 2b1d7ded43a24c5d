-- What lists of a million piles are counted and searched by.

-- A time as standings have it: with its offset, so that it is the same moment whatever the session's time zone.
CREATE FUNCTION moment_of(text) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT $1::timestamptz';

-- What the public state follows from (src/state.rs), taken from the body: a body is read in microseconds, and a list has a million.
-- In a case: when the reply window of what was confirmed ends; infinity: nothing was confirmed; null: no case. Ordered out of use. A
-- certificate that is not questioned: its first and last moment. Conform by twenty charges or more: when the last of them was.
ALTER TABLE standing
    ADD COLUMN failed_after timestamptz GENERATED ALWAYS AS (
        CASE WHEN body ->> 'case' IS NOT NULL THEN
            coalesce(CASE WHEN body #>> '{case,confirmed_at}' IS NOT NULL THEN moment_of(body #>> '{case,reply_until}') END, 'infinity')
        END) STORED,
    ADD COLUMN stopped boolean GENERATED ALWAYS AS (body ->> 'stopped_at' IS NOT NULL) STORED,
    ADD COLUMN certified_from timestamptz GENERATED ALWAYS AS (
        CASE WHEN body #>> '{certificate,number}' IS NOT NULL AND body #>> '{certificate,questioned_at}' IS NULL
             THEN moment_of(body #>> '{certificate,at}') END) STORED,
    ADD COLUMN certified_until timestamptz GENERATED ALWAYS AS (
        CASE WHEN body #>> '{certificate,number}' IS NOT NULL AND body #>> '{certificate,questioned_at}' IS NULL
             THEN moment_of(body #>> '{certificate,valid_until}') END) STORED,
    ADD COLUMN conform_to timestamptz GENERATED ALWAYS AS (
        CASE WHEN body #>> '{estimate,verdict}' = 'conform' AND (body #>> '{estimate,charges}')::bigint >= 20
             THEN moment_of(body #>> '{estimate,period,1}') END) STORED;

-- Columns have statistics of their own, so those of expressions go.
DROP STATISTICS standing_cases, standing_certificates, standing_stops;
DROP INDEX standing_in_case, standing_certified, standing_stopped;
CREATE INDEX standing_in_case ON standing (pile_no) WHERE failed_after IS NOT NULL;
CREATE INDEX standing_certified ON standing (pile_no) WHERE certified_until IS NOT NULL;
CREATE INDEX standing_stopped ON standing (pile_no) WHERE stopped;
-- All states are read off this index: a tenth of the table.
CREATE INDEX standing_states ON standing (pile_no) INCLUDE (failed_after, stopped, certified_from, certified_until, conform_to);

-- A pile's number as it is searched (src/search.rs); where pg_trgm is there an index finds what stands in it (src/words.rs).
ALTER TABLE pile ADD COLUMN search text COLLATE "C"
    GENERATED ALWAYS AS (translate(lower(normalize(pile_id, NFKC)), '-‐‑‒–—―_ ', '')) STORED;

-- Who has a connector that few have.
CREATE INDEX pile_by_connector ON pile USING gin (connectors);

-- So that the first lists after this are planned by what there is.
ANALYZE pile, standing;
