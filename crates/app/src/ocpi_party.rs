//! `veripile ocpi-party`: parties that may read locations and tariffs over OCPI, and send charge detail records.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::config::Config;
use crate::{account, serve};

/// What `ocpi-party` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct OcpiPartyArgs {
    /// TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The party's name
    name: String,
    /// Takes the party away, with the records that it sent
    #[arg(long)]
    remove: bool,
}

/// Draws a token to register with and prints it once, or takes a party away.
pub async fn run(args: &OcpiPartyArgs) -> Result<()> {
    let config = Config::read(args.config.as_deref())?;
    let mut store = serve::connect(&config).await?;
    store.migrate().await?;
    if args.remove {
        if !store.remove_ocpi_party(&args.name).await? {
            bail!("there is no party {:?}", args.name);
        }
        super::say(&format!("removed the party {}", args.name))?;
    } else {
        let token = account::drawn();
        store.save_ocpi_party(&args.name, &veripile_api::key_hash(&token)).await?;
        super::say(&format!(
            "{} may register at /ocpi/versions with the token {token} (CREDENTIALS_TOKEN_A; in the header in Base64)",
            args.name
        ))?;
    }
    store.close().await;
    Ok(())
}
