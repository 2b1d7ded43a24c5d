-- Author: assess. What the filter knows at the end of a week, in pieces: of some 100,000 piles it is more than a field takes (1 GB). What was kept before
-- is in one piece.
ALTER TABLE filter_week ADD COLUMN piece integer NOT NULL DEFAULT 0 CHECK (piece >= 0);
ALTER TABLE filter_week DROP CONSTRAINT filter_week_pkey, ADD PRIMARY KEY (week, piece);
