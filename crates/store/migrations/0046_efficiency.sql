-- What a station's master says of DC piles rests on their efficiency (DECISIONS 259).

-- Author: registration. Energy out over energy in of a pile, and the standard uncertainty of that, as fractions; none where nobody told it.
ALTER TABLE pile
    ADD COLUMN efficiency   numeric CHECK (0.5 <= efficiency AND efficiency <= 1),
    ADD COLUMN efficiency_u numeric CHECK (0 < efficiency_u AND efficiency_u <= 0.1),
    ADD CHECK (efficiency IS NOT NULL OR efficiency_u IS NULL);

-- Author: assess. The same as it was known; runs of before knew none.
ALTER TABLE evidence_pile
    ADD COLUMN efficiency   numeric,
    ADD COLUMN efficiency_u numeric;
