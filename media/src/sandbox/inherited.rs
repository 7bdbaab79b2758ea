//! Closes the descriptors that a media process inherited.
#![allow(unsafe_code)]

use std::io;

/// Closes every descriptor but the standard three. The server's own are closed when another program
/// starts, but those that the server inherited itself may not be.
///
/// Must be called before this process opens a file.
///
/// # Errors
/// The kernel is older than 5.9.
pub(crate) fn close_inherited() -> io::Result<()> {
    let (first, last) = (libc::STDERR_FILENO + 1, libc::c_uint::MAX);
    // SAFETY: nothing in this process owns a descriptor yet.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
