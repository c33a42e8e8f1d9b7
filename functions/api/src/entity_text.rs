//! An entity as one text of a request: its names, each percent-encoded, with `/` between them.
//!
//! The text is the same in a query and in a path, and each adds its own encoding around it. `load%2Fold/import` is the entity
//! with the names `load/old` and `import`. So a name may hold any character, and no text means two entities.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use detection::EntityPath;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::{Problem, quoted};

/// All characters but those that have no meaning in any address.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Reads an entity. `name` is the name of its parameter.
pub(crate) fn read(text: &str, name: &str) -> Result<EntityPath, Problem> {
    let names: Option<Vec<String>> = text.split('/').map(decoded).collect();
    let names = names.ok_or_else(|| {
        let form = "its names, each percent-encoded, with / between them";
        Problem::invalid(name, format!("{name} must be an entity: {form}, not {}", quoted(text)))
    })?;
    EntityPath::new(names).map_err(|error| Problem::invalid(name, format!("{name}: {error}")))
}

/// An entity as [`read`] reads it.
pub(crate) fn written(entity: &EntityPath) -> String {
    let names = entity.names().iter().map(|name| utf8_percent_encode(name, ENCODED).to_string());
    names.collect::<Vec<_>>().join("/")
}

/// An entity as one part of a path: the text itself, or `~` and the text in base64url if the gateway would change it.
pub(crate) fn part_of_path(entity: &EntityPath) -> String {
    let text = written(entity);
    let is_plain = !text.contains(['/', '%']) && ![".", ".."].contains(&text.as_str());
    if is_plain { text } else { format!("~{}", URL_SAFE_NO_PAD.encode(text)) }
}

/// A name without its encoding. `None` if it is not encoded UTF-8.
fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_escape =
        |at: usize| bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let is_encoded = text.match_indices('%').all(|(at, _)| is_escape(at));
    let name = percent_decode_str(text).decode_utf8().ok()?;
    is_encoded.then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(names: &[&str]) -> EntityPath {
        EntityPath::new(names.iter().map(|name| (*name).to_owned()).collect()).unwrap()
    }

    #[test]
    fn an_entity_is_read_as_it_was_written() {
        for (names, text) in [
            (&["nightly"][..], "nightly"),
            (&["nightly", "load"], "nightly/load"),
            (&["nightly/load"], "nightly%2Fload"),
            (&["100%", "a b", "~x"], "100%25/a%20b/%7Ex"),
            (&["客", "."], "%E5%AE%A2/."),
        ] {
            assert_eq!(written(&entity(names)), text);
            assert_eq!(read(text, "entity").unwrap(), entity(names), "{text}");
        }
        assert_eq!(
            read("a b+c", "entity").unwrap(),
            entity(&["a b+c"]),
            "needless encoding is not asked for"
        );
    }

    #[test]
    fn what_is_no_entity_is_refused() {
        for text in ["", "/", "a/", "/a", "a//b", "a/b/c/d/e", "a%", "a%2", "a%zz", "%FF", "a%1Fb"] {
            let problem = read(text, "entity").unwrap_err();
            assert_eq!(problem.status(), 400, "{text}");
            assert!(problem.detail().starts_with("entity"), "{text}: {}", problem.detail());
        }
    }

    #[test]
    fn a_part_of_a_path_is_one_part() {
        for (names, part) in [
            (&["nightly-1.0_x"][..], "nightly-1.0_x"),
            (&["nightly", "load"], "~bmlnaHRseS9sb2Fk"),
            (&["."], "~Lg"),
            (&["a?b"], "~YSUzRmI"),
        ] {
            assert_eq!(part_of_path(&entity(names)), part);
        }
    }
}
