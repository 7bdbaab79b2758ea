//! Replaces the names that callers use for their own fonts by family names.
//!
//! A caller may name a font by the file's stem (`OpenSans-Bold`), its family or its full name. The
//! engine knows font files by hash alone, so names are resolved here, from the faces that the probe
//! found.

use super::context::CompileContext;
use super::scene::ClipLayer;
use crate::document::Src;
use crate::plan::{Asset, FontFace, TextRun, TextStyle};

/// A face and its names, in lower case without spaces and dashes.
struct NamedFace<'a> {
    names: [String; 2],
    family: String,
    face: &'a FontFace,
}

/// Gives every run the family name that its font's file declares.
pub(super) fn resolve_families(context: &mut CompileContext, clip_layers: &mut [ClipLayer]) {
    let mut faces = Vec::new();
    for (index, src) in context.composition.fonts.iter().enumerate() {
        let facts = context.facts_at(&Src(src.clone()), &format!("/timeline/fonts/{index}/src"));
        for face in facts.into_iter().flat_map(|facts| &facts.faces) {
            faces.push(NamedFace {
                names: [normalised(stem(src)), normalised(&face.full_name)],
                family: normalised(&face.family),
                face,
            });
        }
    }
    let layers = clip_layers.iter_mut().map(|item| &mut item.layer.asset);
    layers.flat_map(runs).for_each(|run| resolve_family(&faces, &mut run.style));
}

fn runs(asset: &mut Asset) -> &mut [TextRun] {
    match asset {
        Asset::Text(text) => &mut text.runs,
        Asset::Captions(captions) => &mut captions.look.runs,
        _ => &mut [],
    }
}

fn resolve_family(faces: &[NamedFace], style: &mut TextStyle) {
    let requested = normalised(&style.family);
    if let Some(named) = faces.iter().find(|named| named.family == requested) {
        style.family.clone_from(&named.face.family);
    } else if let Some(named) = faces.iter().find(|named| named.names.contains(&requested)) {
        style.family.clone_from(&named.face.family);
        // A name such as `Bold` sets the weight if the composition does not.
        if style.weight == 400 {
            style.weight = named.face.weight;
        }
        style.italic |= named.face.italic;
    }
}

/// The file name of an address, without its extension.
fn stem(src: &str) -> &str {
    let path = src.split(['?', '#']).next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

fn normalised(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
