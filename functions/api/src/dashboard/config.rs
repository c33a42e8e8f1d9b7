//! How people sign in to the dashboard, and where its links lead.

use std::collections::BTreeMap;
use std::path::PathBuf;

use environment::{ConfigError, Env};

/// Links to other systems by the name of the id that they show.
pub(crate) type Links = BTreeMap<String, String>;

/// How people sign in to the dashboard, and where its links lead.
#[derive(Clone, Debug)]
pub(crate) struct DashboardConfig {
    /// `DASHBOARD_CLIENT_ID`: the dashboard's client at the issuer. Without it there is no dashboard.
    pub client_id: String,
    /// `DASHBOARD_ISSUER`: the issuer of the API's tokens.
    pub issuer: String,
    /// `DASHBOARD_SCOPE`: the scopes that the page asks for; default `openid profile` and the three scopes of the API.
    pub scope: String,
    /// `DASHBOARD_AUDIENCE`: the audience that the page names to issuers that ask for one.
    pub audience: Option<String>,
    /// `DASHBOARD_ORIGINS`: origins of the issuer's other endpoints, with spaces between them.
    pub origins: Vec<String>,
    /// `DASHBOARD_LINKS`: a JSON object of links to other systems, such as `{"trace": "https://…/{trace_id}"}`.
    pub links: Links,
    /// `DASHBOARD_FILES`: the folder of the page; default the folder `dashboard` of the package.
    pub folder: PathBuf,
}

impl DashboardConfig {
    pub(crate) fn from_env(env: &Env<'_>) -> Result<Option<Self>, ConfigError> {
        let Some(client_id) = env.get("DASHBOARD_CLIENT_ID") else { return Ok(None) };
        let links = env.get("DASHBOARD_LINKS").unwrap_or_else(|| "{}".to_owned());
        let links = serde_json::from_str(&links)
            .map_err(|_| ConfigError::invalid("DASHBOARD_LINKS", &links, "a JSON object of texts"))?;
        let folder = env.get("DASHBOARD_FILES").map(PathBuf::from);
        let in_package = || PathBuf::from(env.get("LAMBDA_TASK_ROOT").unwrap_or_default()).join("dashboard");
        Ok(Some(Self {
            client_id,
            issuer: env.required("DASHBOARD_ISSUER", "the issuer of the tokens of the dashboard")?,
            scope: env.get("DASHBOARD_SCOPE").unwrap_or_else(|| default_scope(env)),
            audience: env.get("DASHBOARD_AUDIENCE"),
            origins: env
                .get("DASHBOARD_ORIGINS")
                .map(|origins| origins.split_whitespace().map(str::to_owned).collect())
                .unwrap_or_default(),
            links,
            folder: folder.unwrap_or_else(in_package),
        }))
    }
}

fn default_scope(env: &Env<'_>) -> String {
    let scope = |variable, default: &str| env.get(variable).unwrap_or_else(|| default.to_owned());
    let read = scope("SCOPE_READ", "anomalies:read");
    let write = scope("SCOPE_WRITE", "anomalies:write");
    let admin = scope("SCOPE_ADMIN", "anomalies:admin");
    format!("openid profile {read} {write} {admin}")
}
