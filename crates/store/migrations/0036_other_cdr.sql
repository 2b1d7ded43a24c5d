-- A charge detail record cannot be changed: what came under the identifier of another is kept beside it.

-- Author: the receiver of CDRs. Records of other content than the one that came first under their identifier, the first few of each;
-- `others` counts all that came and were not kept already.
CREATE TABLE ocpi_cdr_other (
    other_no    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference   uuid NOT NULL REFERENCES ocpi_cdr (reference) ON DELETE CASCADE,
    received_at timestamptz NOT NULL,
    body        text NOT NULL,
    checked     text NOT NULL
);
CREATE INDEX ocpi_cdr_other_by_reference ON ocpi_cdr_other (reference, other_no);
ALTER TABLE ocpi_cdr ADD COLUMN others bigint NOT NULL DEFAULT 0;
