-- An open case that was handed to a body above said nothing of it publicly: the handing is an act from now on, and so are those before.
INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, outlet, round)
SELECT pile_no, 'case_escalated', number, issuer, person, taken_at, outlet,
       (row_number() OVER (PARTITION BY pile_no, number, person ORDER BY step_no) - 1)::integer
FROM case_step AS step
WHERE to_stage = 'escalated'
  AND EXISTS (SELECT FROM act WHERE act.pile_no = step.pile_no AND act.number = step.number
              AND act.kind IN ('case_opened', 'notice') AND act.acted_at <= step.taken_at);
