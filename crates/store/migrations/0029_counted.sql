-- Author: gateway. How many charges there are of each pile, and how many of these count for nothing since the charger had yet to prove who it
-- is; kept in the transaction that stores them: whoever shows many piles need not count.
ALTER TABLE pile_live
    ADD COLUMN charges bigint NOT NULL DEFAULT 0,
    ADD COLUMN unproven_charges bigint NOT NULL DEFAULT 0;
INSERT INTO pile_live (pile_no, charges, unproven_charges)
SELECT pile_no, count(*), count(*) FILTER (WHERE 'unproven' = ANY(marks)) FROM charge GROUP BY pile_no
ON CONFLICT (pile_no) DO UPDATE SET charges = excluded.charges, unproven_charges = excluded.unproven_charges;

-- When the latest charge ended: the front page asks it of all.
CREATE INDEX charge_latest ON charge (ended_at) WHERE ended_at IS NOT NULL;
