//! A text that lists are searched for.

/// A text to look for, without regard to capital letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchText(String);

/// An item that can be searched.
pub(crate) trait Searched {
    /// The texts that people know it by.
    fn texts(&self) -> impl Iterator<Item = &str>;

    fn says(&self, wanted: &SearchText) -> bool {
        self.texts().any(|text| wanted.is_in(text))
    }
}

impl SearchText {
    /// Longest text, in bytes.
    pub const MAX: usize = 200;

    /// `None` for an empty text, and for one that is too long.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty() && text.len() <= Self::MAX).then(|| Self(text.to_lowercase()))
    }

    fn is_in(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capital_letters_and_spaces_around_do_not_matter() {
        let wanted = SearchText::new("  Äpfel ").unwrap();
        assert!(wanted.is_in("zwei ÄPFEL"));
        assert!(!wanted.is_in("zwei apfel"));
        assert_eq!(SearchText::new(" "), None);
        assert_eq!(SearchText::new(&"a".repeat(SearchText::MAX + 1)), None);
    }
}
