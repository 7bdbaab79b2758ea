//! Layers around every request, outermost first: request id and problem bodies, measurement, origin
//! guard.

pub mod measure;
pub mod origin_guard;
pub mod panics;
pub mod request_id;
