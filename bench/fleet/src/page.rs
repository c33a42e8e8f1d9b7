//! The parts of a page that a program writes: they stand between two lines that mark them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The lines around a part.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    pub begin: &'static str,
    pub end: &'static str,
}

impl Marks {
    /// The page with the text between the marks.
    ///
    /// # Errors
    ///
    /// When the page has not both lines, in their order.
    pub fn replaced(&self, page: &str, text: &str) -> Result<String> {
        let Self { begin, end } = self;
        let parts = page.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
        let Some((before, after)) = parts else {
            bail!("the page has no part between the lines {begin:?} and {end:?}");
        };
        Ok(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim_end()))
    }

    /// Writes the text into the file of a page.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written, or has not both lines.
    pub fn write(&self, path: &Path, text: &str) -> Result<()> {
        let page = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let page =
            self.replaced(&page, text).with_context(|| format!("{} cannot be written", path.display()))?;
        fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_the_place_of_an_earlier_one() {
        let marks = Marks { begin: "<!-- a -->", end: "<!-- b -->" };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.md");
        fs::write(&path, "before\n<!-- a -->\n\nold\n\n<!-- b -->\nafter\n").unwrap();
        marks.write(&path, "new\n").unwrap();
        let page = fs::read_to_string(&path).unwrap();
        assert_eq!(page, "before\n<!-- a -->\n\nnew\n\n<!-- b -->\nafter\n");
        let refused = marks.replaced("no marks", "new").unwrap_err().to_string();
        assert!(refused.contains("has no part"), "{refused}");
    }
}
