//! Draws text: fonts, layout and glyphs.

mod balance;
pub(crate) mod block;
mod breaks;
pub(crate) mod captions;
mod fallback;
pub(crate) mod fonts;
pub(crate) mod glyphs;
pub(crate) mod layout;
mod machine_fonts;
#[cfg(test)]
pub(crate) mod tests;

pub use fonts::{FontFolders, fonts_digest};
pub use machine_fonts::set_machine_fonts;
