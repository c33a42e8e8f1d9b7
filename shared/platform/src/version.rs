//! The version of the programs. All of them are built together and have one version.

use std::sync::LazyLock;

/// The version in `Cargo.toml`. A release adds the commit that it was built from, such as `0.2.0+4e1f0c2a9b7d`.
///
/// `make release` names the commit in `METERFLOW_COMMIT`. Other builds know none: one that asked Git would have to be built
/// again after each commit.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| with_commit(option_env!("METERFLOW_COMMIT")));
    &VERSION
}

fn with_commit(commit: Option<&str>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    match commit {
        Some(commit) if !commit.is_empty() => format!("{version}+{commit}"),
        _ => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_follows_the_version_if_it_is_known() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(with_commit(None), version);
        assert_eq!(with_commit(Some("")), version);
        assert_eq!(with_commit(Some("4e1f0c2a9b7d")), format!("{version}+4e1f0c2a9b7d"));
    }
}
