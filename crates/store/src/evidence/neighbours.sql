-- Names for taking in anew the charges beside these ($1), where a witness speaks of them: whom it means may be another question now.
INSERT INTO evidence_due
SELECT DISTINCT other.charge_no
FROM charge mine
JOIN LATERAL (SELECT min(started_at) AS started_at, max(ended_at) AS ended_at
              FROM evidence_charge e WHERE e.charge_no = mine.charge_no) AS known ON true
JOIN charge other ON other.pile_no = mine.pile_no AND other.charge_no <> mine.charge_no
    AND other.started_at BETWEEN known.started_at - interval '7 days' AND known.ended_at + interval '10 minutes'
    AND other.ended_at >= known.started_at - interval '10 minutes'
WHERE mine.charge_no = ANY($1) AND EXISTS (SELECT FROM witness WHERE witness.pile_no = mine.pile_no)
  AND EXISTS (SELECT FROM witness_fit WHERE witness_fit.charge_no = other.charge_no)
ON CONFLICT DO NOTHING
