-- What piles are found by is folded as what is looked for is (src/search.rs).

-- Author: registration. In this collation lower() knows the letters of ASCII only, so that Ä or Я was found by itself and not by ä or я. The
-- text is written with the pile from now on; numbers of other letters get theirs with the next start, and so does what other hands write.
ALTER TABLE pile ALTER COLUMN search DROP EXPRESSION;
UPDATE pile SET search = NULL WHERE octet_length(pile_id) <> char_length(pile_id);
CREATE INDEX pile_without_search ON pile (pile_no) WHERE search IS NULL;
