-- Batches are of one year (DECISIONS 256).

-- Author: registration. Year in which a pile was made; none where nobody said.
ALTER TABLE pile ADD COLUMN made_in smallint CHECK (1990 <= made_in);
