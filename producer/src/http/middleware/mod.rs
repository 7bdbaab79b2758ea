//! Layers around every request, outermost first: request id and problem bodies, measurement, origin
//! guard, known query parameters.

pub mod known_parameters;
pub mod measure;
pub mod origin_guard;
pub mod panics;
pub mod request_id;
