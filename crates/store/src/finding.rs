//! Findings about how piles speak: counted by code and action, each with its last example; and how many messages were clean.
//!
//! Those of messages are written by the gateway in batches, those of charges are their marks; read by the pages. Which codes there are and what they weigh is `ocpp::conformance`'s.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use veripile_pile::PileId;

use crate::row::{SqlTime, storable};
use crate::{Store, StoreError};

/// Findings of one pile on one page, the most frequent; a charger at its worst has some dozens.
const PAGE_MAX: i64 = 200;

/// A finding of one pile, with the messages that had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Code of a mark or a breach.
    pub code: String,
    /// Action of the messages; `answer` for answers, `charge` for charges put together, `other` where it cannot be told.
    pub action: String,
    /// Messages, or charges, that had it.
    pub count: i64,
    /// When the first came.
    pub first_at: Timestamp,
    /// When the last came.
    pub last_at: Timestamp,
    /// The last of them, identities replaced; of a charge its transaction id and registers, JSON.
    pub example: String,
}

/// Messages of a pile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageCount {
    /// All of them.
    pub messages: i64,
    /// Those without any finding.
    pub clean: i64,
}

/// How a pile speaks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// Messages counted.
    pub count: MessageCount,
    /// Findings, the most frequent first.
    pub findings: Vec<Finding>,
}

impl Store {
    /// Adds findings to those that are known, in one statement.
    pub async fn note_findings(&self, findings: &[(i64, Finding)]) -> Result<(), StoreError> {
        // Begun first: on a connection that is dead already nothing is added, and it can be tried again.
        let mut transaction = self.pool.begin().await?;
        let text = |pick: fn(&Finding) -> &str| -> Vec<String> {
            findings.iter().map(|(_, finding)| storable(pick(finding)).into_owned()).collect()
        };
        sqlx::query(
            "INSERT INTO finding (pile_no, code, action, count, first_at, last_at, example)
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
                                  $7::text[]) AS f(pile_no, code, action, count, first_at, last_at, example)
             ORDER BY pile_no, code, action
             ON CONFLICT (pile_no, code, action) DO UPDATE SET
                 count = finding.count + excluded.count, last_at = greatest(finding.last_at, excluded.last_at),
                 example = excluded.example",
        )
        .bind(findings.iter().map(|(pile_no, _)| *pile_no).collect::<Vec<_>>())
        .bind(text(|finding| &finding.code))
        .bind(text(|finding| &finding.action))
        .bind(findings.iter().map(|(_, finding)| finding.count).collect::<Vec<_>>())
        .bind(findings.iter().map(|(_, finding)| finding.first_at.to_sqlx()).collect::<Vec<_>>())
        .bind(findings.iter().map(|(_, finding)| finding.last_at.to_sqlx()).collect::<Vec<_>>())
        .bind(text(|finding| &finding.example))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Adds to the messages counted; gives the piles that were done. Rows that intake holds at this moment are passed over: to
    /// wait for several of them could make each wait for the other.
    pub async fn count_messages(&self, counts: &[(i64, MessageCount)]) -> Result<Vec<i64>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query_scalar(
            "WITH free AS (SELECT pile_no FROM pile_live WHERE pile_no = ANY($1) FOR UPDATE SKIP LOCKED)
             UPDATE pile_live SET messages = pile_live.messages + heard.messages,
                    clean_messages = pile_live.clean_messages + heard.clean
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS heard(pile_no, messages, clean)
             JOIN free USING (pile_no)
             WHERE pile_live.pile_no = heard.pile_no RETURNING pile_live.pile_no",
        )
        .bind(counts.iter().map(|(pile_no, _)| *pile_no).collect::<Vec<_>>())
        .bind(counts.iter().map(|(_, count)| count.messages).collect::<Vec<_>>())
        .bind(counts.iter().map(|(_, count)| count.clean).collect::<Vec<_>>())
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(done)
    }

    /// What is known of how a pile speaks; empty for one that never spoke.
    pub async fn findings(&self, pile_id: &PileId) -> Result<Findings, StoreError> {
        let count: Option<(i64, i64)> = sqlx::query_as(
            "SELECT messages, clean_messages FROM pile_live
             WHERE pile_no = (SELECT pile_no FROM pile WHERE pile_id = $1)",
        )
        .bind(pile_id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        let rows: Vec<Row> = sqlx::query_as(
            "WITH of_pile AS (SELECT pile_no FROM pile WHERE pile_id = $1), marked AS (
                 SELECT mark AS code, ended_at AS at, jsonb_build_object('transactionId', reference, 'started', started_at,
                     'ended', ended_at, 'meterStart', register_start_wh, 'meterStop', register_stop_wh,
                     'sampledBegin', pile_begin_wh, 'sampledEnd', pile_end_wh, 'energyWh', energy_pile_wh) AS charge
                 FROM charge JOIN of_pile USING (pile_no), unnest(marks) AS mark
                 WHERE ended_at IS NOT NULL)
             SELECT code, action, count, first_at, last_at, example FROM finding JOIN of_pile USING (pile_no)
             UNION ALL
             SELECT code, 'charge', count(*), min(at), max(at), (array_agg(charge ORDER BY at DESC))[1]::text
             FROM marked GROUP BY code
             ORDER BY count DESC, code, action LIMIT $2",
        )
        .bind(pile_id.as_str())
        .bind(PAGE_MAX)
        .fetch_all(&self.pool)
        .await?;
        let (messages, clean) = count.unwrap_or_default();
        Ok(Findings {
            count: MessageCount { messages, clean },
            findings: rows.into_iter().map(Row::finding).collect(),
        })
    }
}

#[derive(FromRow)]
struct Row {
    code: String,
    action: String,
    count: i64,
    first_at: SqlTime,
    last_at: SqlTime,
    example: String,
}

impl Row {
    fn finding(self) -> Finding {
        let Self { code, action, count, first_at, last_at, example } = self;
        Finding { code, action, count, first_at: first_at.to_jiff(), last_at: last_at.to_jiff(), example }
    }
}
