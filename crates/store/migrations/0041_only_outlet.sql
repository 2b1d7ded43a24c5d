-- A certificate of one outlet ends no case of the whole pile any more, and one of the only outlet is of the whole pile (DECISIONS 225, 234). All
-- acts are judged with the next assessment: what was written before that must say what it said when it was written.

-- Author: documents. What was issued here for the only outlet of a pile is of the whole pile, as it is written from now on: notices, too. And
-- so is what others said of that outlet: else a newer certificate of theirs would not take the place of ours.
UPDATE act SET outlet = NULL
WHERE EXISTS (SELECT FROM verification_certificate AS document
              WHERE document.pile_no = act.pile_no AND document.connector = act.outlet)
  AND EXISTS (SELECT FROM connector_live AS told
              WHERE told.pile_no = act.pile_no AND told.connector = act.outlet)
  AND NOT EXISTS (SELECT FROM connector_live AS told
                  WHERE told.pile_no = act.pile_no AND told.connector > 0 AND told.connector <> act.outlet)
  AND NOT EXISTS (SELECT FROM act AS other
                  WHERE other.pile_no = act.pile_no AND other.outlet <> act.outlet);

-- Author: cases. Elsewhere, a case of the whole pile that a certificate of one outlet ended stays ended: by an act, with date, body and person
-- of that certificate. A withdrawn document ended none and opened none; a case that was opened again later is open.
WITH said AS (
    SELECT * FROM act
    WHERE kind IN ('case_opened', 'case_closed')
       OR (kind = 'notice' OR kind = 'certificate' AND valid_until IS NOT NULL)
          AND NOT EXISTS (SELECT FROM act AS gone
                          WHERE gone.pile_no = act.pile_no AND gone.number = act.number AND gone.kind = 'certificate_withdrawn')),
opened AS (
    SELECT * FROM said
    WHERE kind IN ('case_opened', 'notice') AND outlet IS NULL
      AND NOT EXISTS (SELECT FROM said AS before
                      WHERE before.pile_no = said.pile_no AND before.number = said.number AND before.outlet IS NOT NULL
                        AND before.kind IN ('case_opened', 'notice') AND before.acted_at <= said.acted_at)),
ended AS (
    SELECT DISTINCT opened.pile_no, opened.number, ending.issuer, ending.person, ending.acted_at
    FROM opened CROSS JOIN LATERAL (
        SELECT kind, outlet, issuer, person, acted_at FROM said
        WHERE said.pile_no = opened.pile_no
          AND (said.kind = 'case_closed' AND said.number = opened.number AND opened.acted_at <= said.acted_at
               OR said.kind = 'certificate' AND opened.acted_at < said.acted_at)
        ORDER BY acted_at, kind <> 'certificate', said.number COLLATE "C" LIMIT 1) AS ending
    WHERE ending.kind = 'certificate' AND ending.outlet IS NOT NULL)
INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, round)
SELECT pile_no, 'case_closed', number, issuer, person, acted_at,
       (SELECT coalesce(max(before.round) + 1, 0) FROM act AS before
        WHERE (before.pile_no, before.kind, before.number, before.person) = (ended.pile_no, 'case_closed', ended.number, ended.person))
       + (row_number() OVER (PARTITION BY pile_no, number, person ORDER BY acted_at) - 1)::integer
FROM ended;

-- Author: the receiver of CDRs. How many records of a party are kept, and how many bytes: asking that of all of them for each took a pass over
-- up to a hundred thousand.
ALTER TABLE ocpi_party ADD COLUMN cdrs bigint NOT NULL DEFAULT 0, ADD COLUMN cdr_bytes bigint NOT NULL DEFAULT 0;
UPDATE ocpi_party SET cdrs = kept.cdrs, cdr_bytes = kept.bytes
FROM (SELECT party, count(*) AS cdrs, sum(bytes)::bigint AS bytes FROM ocpi_cdr GROUP BY party) AS kept
WHERE kept.party = ocpi_party.name;
