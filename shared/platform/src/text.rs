//! Configuration texts, such as the catalog: compiled in, in a file, or in an SSM parameter.

use aws_config::SdkConfig;
use environment::TextSource;

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
}

/// Reads the text from its source.
pub async fn load(source: TextSource, aws: &SdkConfig) -> Result<Loaded, TextError> {
    match source {
        TextSource::Inline { text, origin } => Ok(Loaded { text, origin }),
        TextSource::File(path) => match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Loaded { text, origin: path }),
            Err(source) => Err(TextError::File { path, source }),
        },
        TextSource::SsmParameter(parameter) => {
            let text = parameter_value(&aws_sdk_ssm::Client::new(aws), &parameter).await?;
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
