//! Replaces the names that callers use for their own fonts by family names, and warns of weights
//! that a font does not have.
//!
//! A caller may name a font by the file's stem (`OpenSans-Bold`), its family or its full name. The
//! engine knows font files by hash alone, so names are resolved here, from the faces that the probe
//! found.

use super::context::CompileContext;
use super::scene::ClipLayer;
use super::writing::{DEFAULT_FAMILY, DEFAULT_WEIGHTS};
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
    for item in clip_layers {
        for run in runs(&mut item.layer.asset) {
            resolve_family(&faces, &mut run.style);
            if let Some(warning) = missing_weight(&faces, &run.style) {
                context.warn(&item.pointer, warning);
            }
        }
    }
}

/// The warning of a weight that no face of the font has; none for fonts of the machine, of which
/// the engine warns.
fn missing_weight(faces: &[NamedFace], style: &TextStyle) -> Option<String> {
    let family = normalised(&style.family);
    let own = faces.iter().filter(|named| named.family == family);
    let mut ranges: Vec<(u16, u16)> = own
        .map(|named| named.face.weights.unwrap_or((named.face.weight, named.face.weight)))
        .collect();
    if family == normalised(DEFAULT_FAMILY) {
        ranges.extend(DEFAULT_WEIGHTS.map(|weight| (weight, weight)));
    }
    ranges.sort_unstable();
    ranges.dedup();
    let lacks = ranges.iter().all(|(least, most)| !(*least..=*most).contains(&style.weight));
    let names: Vec<String> = ranges
        .iter()
        .map(
            |(least, most)| {
                if least == most { least.to_string() } else { format!("{least} to {most}") }
            },
        )
        .collect();
    (lacks && !ranges.is_empty()).then(|| {
        format!(
            "has text of weight {}, and the font `{}` has only {}: the nearest is drawn; ask for \
             one of these, or add a file with that weight to `timeline.fonts`",
            style.weight,
            style.family,
            names.join(", ")
        )
    })
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
