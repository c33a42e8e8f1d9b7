//! The dashboard: the page for people, and what the page must know before anybody signs in.
//!
//! The package of the function holds the built files of `dashboard/`, with the compressed forms that the build made beside
//! them. All are read at cold start. A request only looks a name up, so no path can lead out of the folder. The routes are
//! open, because the files are the same for everybody. What the page asks of the API needs a token.
//!
//! The page may load files from its own origin alone. It may also call the issuer, to exchange and renew tokens.

use axum::http::HeaderValue;
use environment::{ConfigError, Env};

mod config;
mod files;
mod policy;

pub(crate) use config::{DashboardConfig, Links};
pub(crate) use files::{File, Files};

use crate::error::Problem;

/// The dashboard of a deployment, or the reason why the deployment has none.
pub struct Dashboard(Result<Served, &'static str>);

/// What is served of a dashboard.
pub(crate) struct Served {
    pub config: DashboardConfig,
    pub files: Files,
    /// The content security policy of the page.
    pub policy: HeaderValue,
}

const NO_CLIENT: &str = "this deployment has no dashboard: set the Terraform variable dashboard, with the client_id that the \
                         issuer gave the dashboard";
const NO_FILES: &str =
    "the package of this function has no dashboard: `make build` and `make deploy` put it there";

impl Dashboard {
    /// A dashboard without a client is switched off. The API serves its other routes without the files, too.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let Some(config) = DashboardConfig::from_env(env)? else { return Ok(Self(Err(NO_CLIENT))) };
        let policy = policy::of(&config)?;
        let Some(files) = Files::read(&config.folder) else {
            tracing::error!(folder = %config.folder.display(), "there is no dashboard in the package");
            return Ok(Self(Err(NO_FILES)));
        };
        Ok(Self(Ok(Served { config, files, policy })))
    }

    pub(crate) fn served(&self) -> Result<&Served, Problem> {
        self.0.as_ref().map_err(|reason| Problem::no_dashboard(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: [(&str, &str); 2] =
        [("DASHBOARD_CLIENT_ID", "page"), ("DASHBOARD_ISSUER", "https://tokens.example.com/pool")];

    fn reason(variables: &[(&str, &str)]) -> String {
        let dashboard = Dashboard::from_env(&Env::of(variables)).unwrap();
        dashboard.served().err().map(|problem| problem.detail().to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_deployment_without_a_client_or_without_files_says_what_to_do() {
        assert!(reason(&[]).contains("set the Terraform variable dashboard"));
        let folder = [("DASHBOARD_FILES", "/nowhere")];
        assert!(reason(&[&CLIENT[..], &folder].concat()).contains("make build"));
    }

    #[test]
    fn a_folder_with_a_page_is_served() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("index.html"), "<!doctype html>").unwrap();
        let files = [("DASHBOARD_FILES", folder.path().to_str().unwrap())];
        assert_eq!(reason(&[&CLIENT[..], &files].concat()), "");
    }
}
