//! Configuration texts, such as the catalog: compiled in, in a file, or in an SSM parameter.

use std::io::Read as _;

use aws_config::SdkConfig;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use environment::TextSource;
use flate2::read::GzDecoder;

/// A text, and its name in errors about its content.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub text: String,
    pub origin: String,
}

#[derive(Debug, thiserror::Error)]
pub enum TextError {
    #[error("cannot read the file {path}")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot read the SSM parameter {parameter}")]
    Parameter {
        parameter: String,
        #[source]
        source: Box<aws_sdk_ssm::Error>,
    },
    #[error("the SSM parameter {parameter} has no value")]
    EmptyParameter { parameter: String },
    #[error("the SSM parameter {parameter} is no text that `gzip` compressed and Base64 wrote")]
    Compressed {
        parameter: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// How each text begins that `gzip` compressed and Base64 wrote. No catalog begins so.
const COMPRESSED: &str = "H4sI";
/// The largest text that a parameter may hold compressed. Its 8 KB of letters cannot hold more of a catalog.
const LARGEST: u64 = 1 << 20;

/// Reads the text from its source.
pub async fn load(source: TextSource, aws: &SdkConfig) -> Result<Loaded, TextError> {
    match source {
        TextSource::Inline { text, origin } => Ok(Loaded { text, origin }),
        TextSource::File(path) => match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Loaded { text, origin: path }),
            Err(source) => Err(TextError::File { path, source }),
        },
        TextSource::SsmParameter(parameter) => {
            let value = parameter_value(&aws_sdk_ssm::Client::new(aws), &parameter).await?;
            let text = uncompressed(value)
                .map_err(|source| TextError::Compressed { parameter: parameter.clone(), source })?;
            Ok(Loaded { text, origin: format!("SSM parameter {parameter}") })
        }
    }
}

/// Reads the texts from their sources, each with its name in errors.
pub async fn load_all(sources: Vec<TextSource>, aws: &SdkConfig) -> Result<Vec<(String, String)>, TextError> {
    let mut all = Vec::with_capacity(sources.len());
    for source in sources {
        let Loaded { text, origin } = load(source, aws).await?;
        all.push((text, origin));
    }
    Ok(all)
}

async fn parameter_value(client: &aws_sdk_ssm::Client, parameter: &str) -> Result<String, TextError> {
    let answer =
        client.get_parameter().name(parameter).with_decryption(true).send().await.map_err(|source| {
            TextError::Parameter { parameter: parameter.to_owned(), source: Box::new(source.into()) }
        })?;
    answer
        .parameter
        .and_then(|parameter| parameter.value)
        .ok_or_else(|| TextError::EmptyParameter { parameter: parameter.to_owned() })
}

/// The text of a parameter's value. Parameter Store takes 8 KB, so Terraform compresses a larger text.
fn uncompressed(value: String) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    if !value.starts_with(COMPRESSED) {
        return Ok(value);
    }
    let bytes = BASE64_STANDARD.decode(value.trim())?;
    let mut text = String::new();
    let length = GzDecoder::new(bytes.as_slice()).take(LARGEST + 1).read_to_string(&mut text)?;
    if length as u64 > LARGEST {
        return Err(format!("its text has more than {LARGEST} bytes").into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compressed(text: &[u8]) -> String {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        BASE64_STANDARD.encode(encoder.finish().unwrap())
    }

    #[test]
    fn a_text_is_read_as_it_is_or_compressed() {
        let text = "[[metric]]\nname = \"größe\"\n";
        assert_eq!(uncompressed(text.to_owned()).unwrap(), text);
        let large = text.repeat(2_000);
        let value = compressed(large.as_bytes());
        assert!(value.starts_with(COMPRESSED) && value.len() < 8_192, "{}", value.len());
        assert_eq!(uncompressed(value).unwrap(), large);
    }

    #[test]
    fn what_terraform_compresses_is_read() {
        // base64gzip("presets = [\"usage\"]\n")
        let value = "H4sIAAAAAAAA/yooSi1OLSlWsFWIViotTkxPVYrlAgAAAP//AQAA///4e6j6FAAAAA==";
        assert_eq!(uncompressed(value.to_owned()).unwrap(), "presets = [\"usage\"]\n");
    }

    #[test]
    fn what_is_broken_or_too_large_is_refused() {
        let value = compressed(&[b'x'; 2_000]);
        let half = value[..value.len() / 2].to_owned();
        assert!(uncompressed(half).is_err());
        assert!(uncompressed("H4sI\u{fffd}".to_owned()).is_err());
        let endless = compressed(&vec![b'x'; (LARGEST + 1) as usize]);
        assert!(uncompressed(endless).unwrap_err().to_string().contains("more than"));
    }
}
