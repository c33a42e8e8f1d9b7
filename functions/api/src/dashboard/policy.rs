//! The content security policy of the page.

use axum::http::{HeaderValue, Uri};
use environment::ConfigError;

use super::DashboardConfig;

/// No file from elsewhere, no script or style inside the page, no frame around it. Calls go to the API and to the issuer.
pub(super) fn of(config: &DashboardConfig) -> Result<HeaderValue, ConfigError> {
    let mut callable = vec![origin("DASHBOARD_ISSUER", &config.issuer)?];
    for other in &config.origins {
        let origin = origin("DASHBOARD_ORIGINS", other)?;
        if !callable.contains(&origin) {
            callable.push(origin);
        }
    }
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self' {}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        callable.join(" ")
    );
    HeaderValue::from_str(&policy)
        .map_err(|_| ConfigError::invalid("DASHBOARD_ISSUER", &config.issuer, "a web address"))
}

/// Scheme, host and port of an address. Nothing else of the address may enter the policy.
fn origin(variable: &'static str, address: &str) -> Result<String, ConfigError> {
    let invalid = || ConfigError::invalid(variable, address, "an http or https address");
    let uri: Uri = address.parse().map_err(|_| invalid())?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(invalid());
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if !authority.as_str().bytes().all(is_plain) {
        return Err(invalid());
    }
    Ok(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use environment::Env;

    use super::*;

    fn policy(issuer: &str, origins: &str) -> Result<String, String> {
        let variables =
            [("DASHBOARD_CLIENT_ID", "page"), ("DASHBOARD_ISSUER", issuer), ("DASHBOARD_ORIGINS", origins)];
        let config = DashboardConfig::from_env(&Env::of(&variables)).unwrap().unwrap();
        let policy = of(&config).map_err(|error| error.to_string())?;
        Ok(policy.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_page_may_call_the_issuer_and_its_other_endpoints() {
        let issuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbC";
        let policy = policy(issuer, "https://sign-in.example.com/ https://sign-in.example.com").unwrap();
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
             connect-src 'self' https://cognito-idp.eu-central-1.amazonaws.com https://sign-in.example.com; \
             frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        );
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn what_is_no_origin_cannot_widen_the_policy() {
        for address in [
            "*",
            "https:",
            "data:",
            "https://a;script-src *",
            "https://a,b",
            "https://*",
            "ftp://a",
            "https://u@a",
        ] {
            assert!(policy(address, "").unwrap_err().contains("DASHBOARD_ISSUER"), "{address}");
            assert!(policy("https://a", address).unwrap_err().contains("DASHBOARD_ORIGINS"), "{address}");
        }
    }
}
