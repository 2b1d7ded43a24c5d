-- Open Charge Point Interface: when places changed, what left them, who may ask, and what they sent.

-- Author: registration. When somebody last registered it; and a pile that left a station, which is told as removed there.
ALTER TABLE station ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE pile ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
CREATE TABLE former_pile (
    station_id text COLLATE "C" NOT NULL REFERENCES station,
    pile_no    bigint NOT NULL REFERENCES pile,
    left_at    timestamptz NOT NULL,
    PRIMARY KEY (station_id, pile_no)
);

-- OCPI's identifiers have 36 printable ASCII characters; others go by their hash.
CREATE INDEX station_by_md5 ON station (md5(station_id));
CREATE INDEX pile_by_md5 ON pile (md5(pile_id));

-- Author: `veripile ocpi-party` and the party's own registration. Tokens are drawn, told once and kept as SHA-256. `roles` is null until
-- the party has registered, and the token until then is good for that alone.
CREATE TABLE ocpi_party (
    name       text PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    roles      jsonb,
    url        text,
    made_at    timestamptz NOT NULL DEFAULT now()
);

-- Author: the receiver of CDRs. What a party sent without whatever names a driver, and what is to be thought of its signed values.
CREATE TABLE ocpi_cdr (
    cdr_no      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    party       text NOT NULL REFERENCES ocpi_party ON DELETE CASCADE,
    reference   uuid NOT NULL UNIQUE,
    owner       text NOT NULL,
    cdr_id      text NOT NULL,
    received_at timestamptz NOT NULL,
    body        text NOT NULL,
    checked     text NOT NULL,
    UNIQUE (party, owner, cdr_id)
);
CREATE INDEX ocpi_cdr_by_party ON ocpi_cdr (party, cdr_no);
