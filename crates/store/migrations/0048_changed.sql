-- Who asks over OCPI what changed since a moment is answered off indexes, each of one kind of moment (src/ocpi/changed.rs, DECISIONS 262).

-- Author: gateway, with `last_seen`: that, cut to five minutes. An index on `last_seen` itself would be written with each sign of life; one on
-- this is once in five minutes a pile.
ALTER TABLE pile_live ADD COLUMN seen_about timestamptz
    GENERATED ALWAYS AS (date_bin('5 minutes', last_seen, '2000-01-01 00:00:00+00')) STORED;
CREATE INDEX pile_live_by_seen ON pile_live (seen_about);
CREATE INDEX pile_live_by_return ON pile_live (back_at) WHERE back_at IS NOT NULL;
CREATE INDEX connector_live_by_telling ON connector_live (greatest(status_at, told_at));

-- Registered, left, priced, judged.
CREATE INDEX station_by_change ON station (changed_at);
CREATE INDEX pile_by_change ON pile (changed_at);
CREATE INDEX former_pile_by_leaving ON former_pile (left_at);
CREATE INDEX station_price_by_telling ON station_price (recorded_at);
CREATE INDEX station_price_by_day ON station_price (valid_from);
CREATE INDEX standing_by_judgement ON standing (judged_at);

-- Moments from which on a state is another by itself.
CREATE INDEX standing_by_failing ON standing (failed_after) WHERE failed_after IS NOT NULL;
CREATE INDEX standing_by_certifying ON standing (certified_from) WHERE certified_from IS NOT NULL;
CREATE INDEX standing_by_expiring ON standing (certified_until) WHERE certified_until IS NOT NULL;
CREATE INDEX standing_by_evidence_end ON standing (conform_to) WHERE conform_to IS NOT NULL;

-- So that the first who ask are answered by what there is.
ANALYZE pile_live, connector_live, standing;
