//! `batch`: posts a batch, shows one, and saves the files of one.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::{get, jobs::PostArgs, summary::show, watch};
use crate::{
    client::{Client, JobOrBatch},
    csv,
    exit::{CommandResult, Failure},
    input::{self, full_path},
    output,
};

/// Options of `batch`.
#[derive(Debug, Args)]
pub struct Batch {
    /// The file, or the id of a batch; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A table: the file is a composition, and each row makes one video, with its cells as the
    /// merge fields that the columns name.
    #[arg(long, value_name = "TABLE")]
    pub csv: Option<PathBuf>,
    /// Follows the batch to its end and saves the files in this folder, named by their place in
    /// the batch: `001.mp4`.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub post: PostArgs,
}

/// Posts a batch, or shows the one with an id.
pub async fn run(options: Batch, json: bool) -> CommandResult {
    let client = Client::new(&options.post.server.server)?;
    if let Some(id) = options.file.to_str().and_then(|text| text.parse::<uuid::Uuid>().ok()) {
        return match &options.output {
            Some(folder) => save(&client, &id.to_string(), folder, json).await,
            None => show_items(&client, id, json).await,
        };
    }
    let document = input::read_json(&options.file)?;
    let batch = match &options.csv {
        Some(table) => of_table(&document, table)?,
        None => input::as_batch(document)?,
    };
    let posted = options.post.post(&client, "/v1/batches", &batch).await?;
    let id = posted["id"].as_str().unwrap_or_default();
    if let Some(folder) = &options.output {
        options.post.announce(id, json);
        return save(&client, id, folder, json).await;
    }
    if options.post.watch {
        options.post.announce(id, json);
        return watch::follow(&client, JobOrBatch::Batch, id, json).await;
    }
    show(&posted, json)?;
    match (&posted["counts"]["total"], &posted["counts"]["rejected"]) {
        (total, rejected) if total == rejected => Err(Failure::Refused(format!(
            "all {total} items were refused: `spool batch {id}` shows the reasons"
        ))),
        _ => Ok(()),
    }
}

/// A render of the composition for each row of a table.
fn of_table(composition: &Value, table: &Path) -> Result<Value, Failure> {
    let shown = full_path(table);
    if composition.get("timeline").is_none() {
        return Err(Failure::Failed(
            "a table fills the merge fields of a composition: give one, with a `timeline`".into(),
        ));
    }
    let text = std::fs::read_to_string(table)
        .map_err(|error| Failure::Failed(format!("{shown} can't be read: {error}")))?;
    let rows = csv::parse(&text).map_err(|error| Failure::Failed(format!("{shown} {error}")))?;
    let job = |row: Vec<(String, String)>| {
        let mut composition = composition.clone();
        input::set_merge_fields(&mut composition, &row);
        input::as_job(composition)
    };
    let jobs: Vec<Value> = rows.into_iter().map(job).collect::<Result<_, _>>()?;
    Ok(json!({ "jobs": jobs }))
}

/// Shows a batch with the reason of each rejected item.
async fn show_items(client: &Client, id: uuid::Uuid, json: bool) -> CommandResult {
    let path = JobOrBatch::Batch.path(id);
    show(&client.get(&path).await?, json)?;
    let each = async |item: &Value| match json {
        true => output::line(item),
        false => output::lines(rejection(item)),
    };
    client.list(&format!("{path}/results"), &[], "results", usize::MAX, each).await
}

/// Describes an item that was rejected.
fn rejection(item: &Value) -> Option<String> {
    let reason = item.get("reason")?;
    let text = |name: &str| reason[name].as_str().unwrap_or_default();
    let job = item["jobId"].as_str().map_or_else(String::new, |job| format!(" {job}"));
    Some(format!("  item {}{job} {}: {}", item["index"], text("code"), text("detail")))
}

/// Follows a batch to its end, and saves the result of each item in a folder. A rejected item
/// fails the command after all others are saved.
pub async fn save(client: &Client, id: &str, folder: &Path, json: bool) -> CommandResult {
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::Failed(format!("the folder {} can't be made: {error}", full_path(folder)))
    })?;
    let batch = watch::to_end(client, JobOrBatch::Batch, id, json).await?;
    let width = batch["counts"]["total"].to_string().len().max(3);
    let each = async |item: &Value| {
        if item.get("reason").is_some() {
            return match json {
                true => output::line(item),
                false => output::lines(rejection(item)),
            };
        }
        let number = item["index"].as_u64().unwrap_or_default() + 1;
        let stem = folder.join(format!("{number:0width$}"));
        let file = get::save(client, &item["value"], None, &stem).await?;
        match json {
            true => {
                let mut item = item.clone();
                item["output"] = json!(file);
                output::line(item)
            }
            false => output::line(file.display()),
        }
    };
    let path = format!("{}/results", JobOrBatch::Batch.path(id));
    client.list(&path, &[], "results", usize::MAX, each).await?;
    watch::verdict(JobOrBatch::Batch, &batch)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn each_row_of_a_table_is_a_render_with_its_cells_as_merge_fields() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("people.csv");
        std::fs::write(&table, "NAME,CITY\nAda,London\n").unwrap();
        let composition = json!({"timeline": {}, "merge": [
            {"find": "NAME", "replace": "nobody"}, {"find": "YEAR", "replace": 2024},
        ]});
        let batch = of_table(&composition, &table).unwrap();
        assert_eq!(
            batch["jobs"][0]["input"]["merge"],
            json!([
                {"find": "YEAR", "replace": 2024},
                {"find": "NAME", "replace": "Ada"},
                {"find": "CITY", "replace": "London"},
            ])
        );
        assert_eq!(batch["jobs"].as_array().unwrap().len(), 1);
        assert!(of_table(&json!([]), &table).is_err());
    }
}
