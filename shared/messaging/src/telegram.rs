//! Telegram's Bot API: a request for a method. The token of the bot is a part of the address.

use serde_json::Value;

use crate::outbound::OutboundRequest;

/// The address of `method`.
pub fn address(api_url: &str, token: &str, method: &str) -> Result<String, String> {
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-')) {
        return Err("the secret is not a bot token".to_owned());
    }
    Ok(format!("{api_url}/bot{token}/{method}"))
}

/// The request that calls `method` with these parameters.
pub fn request(
    api_url: &str,
    token: &str,
    method: &str,
    parameters: &Value,
) -> Result<OutboundRequest, String> {
    let url = address(api_url, token, method)?;
    Ok(OutboundRequest { url, headers: Vec::new(), body: parameters.to_string() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_cannot_change_the_path() {
        let of = |token: &str| request("https://api.telegram.org", token, "sendMessage", &json!({}));
        assert_eq!(of("1:A_b-").unwrap().url, "https://api.telegram.org/bot1:A_b-/sendMessage");
        for wrong in ["", "1:A/../x", "1:A?x", "1:A b", "1:A\n"] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }
}
