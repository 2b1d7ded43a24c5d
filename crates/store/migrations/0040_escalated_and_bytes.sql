-- An open case that was handed to a body above said nothing of it publicly: the handing is an act from now on, and so are those before.
INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, outlet, round)
SELECT pile_no, 'case_escalated', number, issuer, person, taken_at, outlet,
       (row_number() OVER (PARTITION BY pile_no, number, person ORDER BY step_no) - 1)::integer
FROM case_step AS step
WHERE to_stage = 'escalated'
  AND EXISTS (SELECT FROM act WHERE act.pile_no = step.pile_no AND act.number = step.number
              AND act.kind IN ('case_opened', 'notice') AND act.acted_at <= step.taken_at);

-- Author: the receiver of CDRs. Bytes kept of a record and of those beside it: what a party takes is bounded by them, too.
ALTER TABLE ocpi_cdr ADD COLUMN bytes bigint NOT NULL DEFAULT 0;
UPDATE ocpi_cdr SET bytes = octet_length(body) + octet_length(checked)
    + coalesce((SELECT sum(octet_length(other.body) + octet_length(other.checked)) FROM ocpi_cdr_other AS other
                WHERE other.reference = ocpi_cdr.reference), 0);
DROP INDEX ocpi_cdr_by_party;
CREATE INDEX ocpi_cdr_by_party ON ocpi_cdr (party, cdr_no) INCLUDE (bytes);
