//! Writing: fonts, layout, and letters as pictures.

pub(crate) mod block;
pub(crate) mod captions;
pub(crate) mod fonts;
pub(crate) mod glyphs;
pub(crate) mod layout;

pub use fonts::{FontFolders, fonts_digest};
