//! The files of the dashboard, and what the page is told before anybody signs in.

use anyhow::Result;
use e2e::World;
use serde_json::json;

const SCRIPT: &str = "/assets/page-0123.js";

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere_and_is_asked_for_again() -> Result<()> {
    let api = World::new().await?.api().await?.without_token();
    let page = api.get("/").await?;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), "no-cache");
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';",
        "connect-src 'self' https://tokens.example.com https://sign-in.example.com;",
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), value);
    }
    assert!(page.header("permissions-policy").contains("camera=()"));

    let again = api.send("GET", "/", &[("if-none-match", page.header("etag"))], Vec::new()).await?;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(
        ["etag", "cache-control", "content-security-policy"].map(|name| again.header(name)),
        ["etag", "cache-control", "content-security-policy"].map(|name| page.header(name))
    );
    let other = api.send("GET", "/", &[("if-none-match", "\"another\"")], Vec::new()).await?;
    assert_eq!((other.status, other.text), (200, page.text));
    Ok(())
}

#[tokio::test]
async fn a_file_is_kept_for_a_year_and_only_files_of_the_page_are_served() -> Result<()> {
    let api = World::new().await?.api().await?.without_token();
    let file = api.get(SCRIPT).await?;
    assert_eq!((file.status, file.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert!(file.text.contains("A script for the tests"));
    for path in [
        "/assets/",
        "/assets/none.js",
        "/assets/..%2Findex.html",
        "/assets/..%2F..%2Fchannels.json",
        "/assets/%2e%2e%2findex.html",
        "/assets/..%5Cindex.html",
        "/assets/%2Fetc%2Fpasswd",
        "/assets/page-0123.js%00",
        "/assets/page-0123.js/",
        "/assets/../index.html",
        "/index.html",
        "/dashboard",
    ] {
        let answer = api.get(path).await?;
        answer.assert_problem(404, path);
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn the_page_is_told_how_to_sign_in() -> Result<()> {
    let world = World::new().await?;
    let settings = world.api().await?.without_token().get("/dashboard.json").await?;
    assert_eq!((settings.status, settings.header("cache-control")), (200, "no-store"));
    let expected = json!({
        "issuer": "https://tokens.example.com/pool", "client_id": "page",
        "scopes": { "read": "anomalies:read", "write": "anomalies:write", "admin": "anomalies:admin" },
        "sign_in_scope": "openid profile anomalies:read anomalies:write anomalies:admin",
        "audience": null, "links": {}, "version": env!("CARGO_PKG_VERSION"),
    });
    assert_eq!(settings.json, expected);
    let other = [
        ("SCOPE_READ", "usage/read"),
        ("DASHBOARD_AUDIENCE", "https://api.example.com"),
        ("DASHBOARD_LINKS", r#"{"trace":"https://traces.example.com/{trace_id}"}"#),
    ];
    let settings = world.api_with(&other, &world.aws).await?.read("/dashboard.json").await?;
    assert_eq!(settings["sign_in_scope"], "openid profile usage/read anomalies:write anomalies:admin");
    assert_eq!(
        (&settings["scopes"]["read"], &settings["audience"]),
        (&json!("usage/read"), &json!("https://api.example.com"))
    );
    assert_eq!(settings["links"]["trace"], "https://traces.example.com/{trace_id}");
    Ok(())
}

#[tokio::test]
async fn a_deployment_without_a_page_says_what_to_set_and_serves_the_rest() -> Result<()> {
    let world = World::new().await?;
    for (without, advice) in [
        (("DASHBOARD_CLIENT_ID", ""), "set the Terraform variable dashboard"),
        (("DASHBOARD_FILES", "/nowhere"), "`make build`"),
    ] {
        let api = world.api_with(&[without], &world.aws).await?;
        for path in ["/", SCRIPT, "/dashboard.json"] {
            let answer = api.without_token().get(path).await?;
            answer.assert_problem(404, path);
            assert!(answer.text.contains(advice), "{path}: {}", answer.text);
        }
        api.read("/v1/metrics").await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_would_widen_the_policy_of_the_page_stops_the_start() -> Result<()> {
    let world = World::new().await?;
    for (name, value) in [
        ("DASHBOARD_ISSUER", "https://tokens.example.com; script-src *"),
        ("DASHBOARD_ORIGINS", "https://a.example.com *"),
        ("DASHBOARD_LINKS", "[]"),
    ] {
        let error = world.api_with(&[(name, value)], &world.aws).await.err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains(name)), "{name}: {error:?}");
    }
    Ok(())
}
