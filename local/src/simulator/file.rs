//! A simulator's state in a file, for the next start.

use std::path::Path;
use std::{fs, io};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What was kept; empty where nothing was yet.
pub(crate) fn read<S: DeserializeOwned + Default>(file: &Path) -> io::Result<S> {
    match fs::read(file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(S::default()),
        Err(error) => Err(error),
    }
}

/// Keeps what a request changed. A file that can't be written costs the data of the next start, not this request.
pub(crate) fn keep(file: Option<&Path>, state: &impl Serialize, gateway: &str) {
    let Some(file) = file else { return };
    let written = serde_json::to_vec(state).map_err(io::Error::from).and_then(|bytes| fs::write(file, bytes));
    if let Err(error) = written {
        tracing::warn!(%error, "the {gateway} simulator could not keep its state");
    }
}
