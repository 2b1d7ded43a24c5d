-- Acts know the outlet that they speak of: a pass of one outlet says nothing of another. None: the whole pile.

ALTER TABLE act ADD COLUMN outlet bigint CHECK (outlet IS NULL OR outlet > 0);

UPDATE act SET outlet = c.connector
FROM verification_certificate c WHERE c.pile_no = act.pile_no AND c.number = act.number;
