//! The programs of this workspace, as Cargo built them beside the tests.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// A program that was built before the tests run. `make e2e` builds all of them.
pub fn program(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("the path of the tests themselves")?;
    // Cargo puts tests into the folder `deps` beside the programs.
    let path =
        test.parent().and_then(|deps| deps.parent()).context("tests outside of Cargo's folders")?.join(name);
    ensure!(path.is_file(), "there is no {}: run `make e2e`, which builds it", path.display());
    Ok(path)
}
