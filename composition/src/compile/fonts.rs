//! Fonts of the caller's own, by the names that callers give them.
//!
//! A family may be written as the file's stem (`OpenSans-Bold`), the family or the full name. The engine sees files by hash alone, so
//! what a stem means is settled here, from the faces that the probe found.

use super::context::CompileContext;
use super::scene::Drawn;
use crate::document::Src;
use crate::plan::{Asset, FontFace, TextRun, TextStyle};

/// A face and the names it goes by, spelled without case, blanks and dashes.
struct Named<'a> {
    names: [String; 2],
    family: String,
    face: &'a FontFace,
}

/// Gives every run the family that its font's file knows itself by.
pub(super) fn settle(context: &mut CompileContext, drawn: &mut [Drawn]) {
    let mut known = Vec::new();
    for (index, src) in context.composition.fonts.iter().enumerate() {
        let facts = context.facts_at(&Src(src.clone()), &format!("/timeline/fonts/{index}/src"));
        for face in facts.into_iter().flat_map(|facts| &facts.faces) {
            known.push(Named {
                names: [plain(stem(src)), plain(&face.full_name)],
                family: plain(&face.family),
                face,
            });
        }
    }
    let layers = drawn.iter_mut().map(|item| &mut item.layer.asset);
    layers.flat_map(runs).for_each(|run| settle_run(&known, &mut run.style));
}

fn runs(asset: &mut Asset) -> &mut [TextRun] {
    match asset {
        Asset::Text(text) => &mut text.runs,
        Asset::Captions(captions) => &mut captions.look.runs,
        _ => &mut [],
    }
}

fn settle_run(known: &[Named], style: &mut TextStyle) {
    let wanted = plain(&style.family);
    if let Some(named) = known.iter().find(|named| named.family == wanted) {
        style.family.clone_from(&named.face.family);
    } else if let Some(named) = known.iter().find(|named| named.names.contains(&wanted)) {
        style.family.clone_from(&named.face.family);
        // A name such as `Bold` speaks for its weight where the composition does not.
        if style.weight == 400 {
            style.weight = named.face.weight;
        }
        style.italic |= named.face.italic;
    }
}

/// The last part of an address, without its ending.
fn stem(src: &str) -> &str {
    let path = src.split(['?', '#']).next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
