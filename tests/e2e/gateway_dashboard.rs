//! The deployed dashboard as a browser loads it: through the gateway, below the path that the gateway has in front of it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::gateway::{Gateway, ROOT};
use e2e::world::variable;
use reqwest::{Response, StatusCode};

/// A client that sends what it is told and leaves compressed answers as they are.
async fn get(url: &str, headers: &[(&str, &str)]) -> Result<Response> {
    let client = reqwest::Client::builder().no_proxy().no_gzip().no_brotli().build()?;
    let request =
        headers.iter().fold(client.get(url), |request, (name, value)| request.header(*name, *value));
    Ok(request.send().await?)
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The addresses of the files that the page names, all of them relative.
fn named_in(page: &str) -> Result<Vec<String>> {
    let named: Vec<_> = page
        .split(&['"', '\''])
        .filter(|text| text.contains("assets/"))
        .map(|text| text.strip_prefix("./").context(text.to_owned()).map(str::to_owned))
        .collect::<Result<_>>()?;
    ensure!(named.len() >= 2, "the page names no script and no style: {page}");
    Ok(named)
}

#[tokio::test]
async fn the_page_and_its_files_arrive_as_they_were_built() -> Result<()> {
    let address = variable("DASHBOARD_URL")?;
    let built = Path::new(ROOT).join("dashboard/dist");
    let page = get(&address, &[]).await?;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(header(&page, "content-security-policy").contains("script-src 'self';"));
    let page = page.text().await?;
    assert_eq!(page, fs::read_to_string(built.join("index.html"))?);
    for file in named_in(&page)? {
        for (accepted, encoding, ending) in
            [("gzip, deflate, br", "br", ".br"), ("gzip", "gzip", ".gz"), ("identity", "", "")]
        {
            let answer = get(&format!("{address}{file}"), &[("accept-encoding", accepted)]).await?;
            assert_eq!(
                (answer.status(), header(&answer, "content-encoding")),
                (StatusCode::OK, encoding),
                "{file}"
            );
            assert_eq!(header(&answer, "cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(header(&answer, "vary"), "accept-encoding");
            let etag = header(&answer, "etag").to_owned();
            let bytes = answer.bytes().await?;
            assert_eq!(bytes, fs::read(built.join(format!("{file}{ending}")))?, "{file}{ending}");
            let known = [("accept-encoding", accepted), ("if-none-match", &etag)];
            let again = get(&format!("{address}{file}"), &known).await?;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{file}{ending}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_page_finds_its_issuer_and_may_call_it() -> Result<()> {
    let address = variable("DASHBOARD_URL")?;
    let settings: serde_json::Value = get(&format!("{address}dashboard.json"), &[]).await?.json().await?;
    let issuer = settings["issuer"].as_str().context("an issuer")?;
    let documents: serde_json::Value =
        get(&format!("{issuer}/.well-known/openid-configuration"), &[]).await?.json().await?;
    assert_eq!(documents["issuer"], issuer);
    let page = get(&address, &[]).await?;
    let policy = header(&page, "content-security-policy");
    for endpoint in ["token_endpoint", "revocation_endpoint", "jwks_uri"] {
        let url: reqwest::Url = documents[endpoint].as_str().context("an endpoint")?.parse()?;
        let origin = url.origin().ascii_serialization();
        assert!(policy.contains(&format!("connect-src 'self' {origin};")), "{endpoint}: {policy}");
    }
    Ok(())
}

#[tokio::test]
async fn the_api_is_beside_the_page() -> Result<()> {
    let (address, token) = (variable("DASHBOARD_URL")?, variable("API_TOKEN_ADMIN")?);
    let bearer = format!("Bearer {token}");
    let answer = get(&format!("{address}v1/metrics"), &[("authorization", &bearer)]).await?;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(get(&format!("{address}v1/metrics"), &[]).await?.status(), StatusCode::UNAUTHORIZED);
    Ok(())
}

/// The gateway decodes paths, so a file beside the folder could be named.
#[tokio::test]
async fn no_path_leads_out_of_the_folder_of_the_page() -> Result<()> {
    let gateway = Gateway::new()?.without_token();
    // Steps up are resolved before the gateway chooses a route. So `/assets/..` is the page itself.
    for name in [
        "../index.html",
        "..%2Findex.html",
        "%2e%2e%2findex.html",
        "..%5c..%5cbootstrap",
        "..%252f..%252fbootstrap",
        "%2Fetc%2Fpasswd",
        "index.html",
    ] {
        let answer = gateway.get(&format!("/assets/{name}")).await?;
        assert_eq!(answer.status, 404, "{name}: {}", answer.text);
    }
    Ok(())
}
