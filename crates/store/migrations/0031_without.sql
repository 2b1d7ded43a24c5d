-- What other hands wrote is looked for every ten seconds, and mostly there is nothing (Store::complete_texts).
CREATE INDEX operator_without_search ON operator (operator_id) WHERE search IS NULL;
CREATE INDEX station_without_search ON station (station_id) WHERE search IS NULL;

-- A standing says by which document use was stopped. Those judged before it did get it from the act: a pile out of use is judged anew only
-- with its next act, which may take years.
UPDATE standing SET body = jsonb_set(body, '{stopped_by}', (
        SELECT jsonb_build_object('number', number, 'issuer', issuer) FROM act
        WHERE act.pile_no = standing.pile_no AND kind = 'use_stopped' AND acted_at = (body ->> 'stopped_at')::timestamptz
        ORDER BY number COLLATE "C" DESC LIMIT 1))
WHERE stopped AND body ->> 'stopped_by' IS NULL
  AND EXISTS (SELECT FROM act WHERE act.pile_no = standing.pile_no AND kind = 'use_stopped'
                                AND acted_at = (body ->> 'stopped_at')::timestamptz);
