-- A signed value on which another bill rests is told as such, and by whose meter it was signed; and where a station is, if somebody said
-- (DECISIONS 266).

-- Author: the receiver of CDRs. By what the signed values of a record are known again: SHA-256 of each one's text, and of its content, however
-- that was encoded. Of what was kept before there is that of the texts.
CREATE TABLE ocpi_cdr_record (
    digest bytea NOT NULL,
    cdr_no bigint NOT NULL REFERENCES ocpi_cdr ON DELETE CASCADE,
    place  integer NOT NULL,
    PRIMARY KEY (digest, cdr_no, place)
);
CREATE INDEX ocpi_cdr_record_by_cdr ON ocpi_cdr_record (cdr_no);
INSERT INTO ocpi_cdr_record (digest, cdr_no, place)
SELECT decode(found.hash[1], 'hex'), cdr_no, (found.place - 1)::integer
FROM ocpi_cdr, regexp_matches(body, '"sha256:([0-9a-f]{64})"', 'g') WITH ORDINALITY AS found(hash, place)
ON CONFLICT DO NOTHING;

-- Author: the receiver of CDRs. Which record of the same owner one takes back; null: none, empty: it does not say.
ALTER TABLE ocpi_cdr ADD COLUMN credits text;
UPDATE ocpi_cdr SET credits = coalesce(substring(body from '"credit_reference_id":"([^"\\]{1,39})"'), '')
WHERE body ~ '"credit":true';
CREATE INDEX ocpi_cdr_by_credit ON ocpi_cdr (owner, credits) WHERE credits IS NOT NULL;

-- Whose meter it is that signed.
CREATE INDEX first_key_by_serial ON first_key (lower(meter_serial));

-- Author: registration. Country that a station stands in (ISO 3166-1 alpha-3) and its time zone (IANA); null: nobody said.
ALTER TABLE station ADD COLUMN country text CHECK (country ~ '^[A-Z]{3}$'), ADD COLUMN time_zone text;
