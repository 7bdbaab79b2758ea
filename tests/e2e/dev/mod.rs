//! `spool dev`: everything in one process.

mod cache;
mod checks_and_stills;
mod commands;
mod jobs;
mod lost_files;
mod media;
mod process_ends;
