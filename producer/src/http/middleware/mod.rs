//! What every request passes, outermost first: its id and the writing of problems, its measure, the door.

pub mod door;
pub mod measure;
pub mod panics;
pub mod request_id;
