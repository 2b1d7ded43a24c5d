//! `veripile account`: who may sign in to the pages of operators and of verifications, and what they may do there.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use veripile_pile::OperatorId;
use veripile_store::Store;
use veripile_store::account::{Account, PersonRole};

use crate::config::Config;
use crate::serve;

/// Shortest password that a person may choose.
const PASSWORD_CHARS_MIN: usize = 12;

/// What `account` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct AccountArgs {
    /// TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name to sign in with
    name: String,
    /// Sees this operator's piles only; without it: an administrator, who sees all
    #[arg(long, value_name = "ID")]
    operator: Option<String>,
    /// What it does in verifications: verifier, reviewer, repairer or inspector; may be given several times
    #[arg(long = "role", value_name = "ROLE", value_parser = role)]
    roles: Vec<PersonRole>,
    /// File whose first line is the password; without it one is drawn and printed once
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Removes the account
    #[arg(long)]
    remove: bool,
}

/// Makes an account, gives it a new password, or removes it.
pub async fn run(args: &AccountArgs) -> Result<()> {
    let config = Config::read(args.config.as_deref())?;
    let mut store = serve::connect(&config).await?;
    store.migrate().await?;
    if args.remove {
        if !store.remove_account(&args.name).await? {
            bail!("there is no account {:?}", args.name);
        }
        super::say(&format!("removed {}", args.name))?;
    } else {
        let operator_id = args.operator.as_deref().map(OperatorId::parse).transpose()?;
        let password = match &args.password_file {
            Some(file) => chosen(file)?,
            None => drawn(),
        };
        save(&store, &args.name, operator_id, &args.roles, &password)
            .await
            .context("is the operator registered?")?;
        let shown =
            if args.password_file.is_none() { format!(", password {password}") } else { String::new() };
        let roles: Vec<&str> = args.roles.iter().map(|role| role.word()).collect();
        let roles = if roles.is_empty() { String::new() } else { format!(" as {}", roles.join(", ")) };
        super::say(&format!("{} may sign in at /op{roles}{shown}", args.name))?;
    }
    store.close().await;
    Ok(())
}

/// A password nobody has to think of: 120 random bits.
pub fn drawn() -> String {
    hex::encode(rand::random::<[u8; 15]>())
}

/// Makes or changes an account.
pub async fn save(
    store: &Store,
    name: &str,
    operator_id: Option<OperatorId>,
    roles: &[PersonRole],
    password: &str,
) -> Result<()> {
    let password_hash = veripile_api::password_hash(password, rand::random());
    let roles = roles.to_vec();
    store.save_account(&Account { name: name.to_owned(), password_hash, operator_id, roles }).await?;
    Ok(())
}

/// Reads a role's word.
fn role(word: &str) -> Result<PersonRole> {
    PersonRole::from_word(word)
        .ok_or_else(|| anyhow!("expected one of {}", PersonRole::ALL.map(PersonRole::word).join(", ")))
}

fn chosen(file: &PathBuf) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    if password.chars().count() < PASSWORD_CHARS_MIN {
        bail!("{}: the first line must have at least {PASSWORD_CHARS_MIN} characters", file.display());
    }
    Ok(password)
}
