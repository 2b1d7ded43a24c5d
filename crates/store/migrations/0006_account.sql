-- Who may sign in to the operators' pages.

-- Author: `veripile account`. Without an operator: an administrator, who sees every pile and the inbox.
CREATE TABLE account (
    name          text COLLATE "C" PRIMARY KEY,
    password_hash text NOT NULL,
    operator_id   text REFERENCES operator,
    made_at       timestamptz NOT NULL DEFAULT now()
);

-- Author: api. A session is known by the SHA-256 of its token only.
CREATE TABLE session (
    token_sha256 bytea PRIMARY KEY,
    name         text NOT NULL REFERENCES account ON DELETE CASCADE,
    expires_at   timestamptz NOT NULL
);

-- Somebody sent a waiting charger away; what it said stays under its number.
ALTER TABLE pile ADD COLUMN dismissed_at timestamptz;
