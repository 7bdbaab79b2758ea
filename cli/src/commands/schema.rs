//! `schema`: the JSON Schema of a kind's input.

use clap::Args;
use common::{
    document::nearest,
    kind::Catalog,
    kinds::{self, echo},
};

use crate::{
    exit::{CommandResult, Failure},
    output,
};

/// Options of `schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// A kind of job, such as `render`.
    #[arg(value_name = "KIND")]
    pub kind: String,
}

/// Runs the command.
pub fn run(options: Schema) -> CommandResult {
    let catalog = Catalog::new(&[kinds::ALL, composition::kinds::ALL, &[echo::SPEC]]);
    let kind = options.kind.as_str();
    match catalog.get(kind).and_then(|spec| spec.schema) {
        Some(schema) => output::own_text(&format!("{:#}", schema())),
        None => {
            let kinds: Vec<&str> = catalog.jobs().map(|kind| kind.name).collect();
            let meant = nearest(kind, &kinds)
                .map_or_else(String::new, |meant| format!("did you mean `{meant}`? "));
            let all = kinds.join(", ");
            Err(Failure::Failed(format!("`{kind}` is not a kind: {meant}The kinds are {all}")))
        }
    }
}
