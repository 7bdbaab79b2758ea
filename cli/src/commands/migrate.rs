//! `migrate`: brings PostgreSQL's schema up to date.

use backing::store::postgres;

use crate::{config::Config, exit::CommandResult, output};

/// Applies the missing migrations; running it again changes nothing.
pub async fn run(config: Config, json: bool) -> CommandResult {
    let url = config.required(&config.database_url, "database_url")?;
    postgres::migrate(url).await?;
    match json {
        true => output::line(serde_json::json!({"migrated": true})),
        false => output::line("the schema is up to date"),
    }
}
