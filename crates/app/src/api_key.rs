//! `veripile api-key`: keys for those who ask the query API more than anybody may.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::config::Config;
use crate::{account, serve};

/// What `api-key` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct ApiKeyArgs {
    /// TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whose key it is
    name: String,
    /// Requests a minute
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(1..))]
    per_minute: u32,
    /// Takes the key away; it stops within a minute
    #[arg(long)]
    remove: bool,
}

/// Draws a key and prints it once, or takes one away.
pub async fn run(args: &ApiKeyArgs) -> Result<()> {
    let config = Config::read(args.config.as_deref())?;
    let mut store = serve::connect(&config).await?;
    store.migrate().await?;
    if args.remove {
        if !store.remove_api_key(&args.name).await? {
            bail!("there is no key of {:?}", args.name);
        }
        super::say(&format!("removed the key of {}", args.name))?;
    } else {
        let key = account::drawn();
        store.save_api_key(&args.name, &veripile_api::key_hash(&key), args.per_minute).await?;
        super::say(&format!(
            "{} may ask {} times a minute with the header  Authorization: Bearer {key}",
            args.name, args.per_minute
        ))?;
    }
    store.close().await;
    Ok(())
}
