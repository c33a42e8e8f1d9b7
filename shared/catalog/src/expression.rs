//! Expressions in SQL that an operator writes into the catalog.

/// Whether a text is a plain name of a column or table.
pub fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A column or an expression, as SQL.
pub(crate) fn sql(text: &str) -> String {
    if is_identifier(text) { format!("`{text}`") } else { format!("({text})") }
}

/// Refuses what is no "table" or "database.table".
pub(crate) fn check_table(table: &str) -> Result<(), String> {
    if table.split('.').count() > 2 || !table.split('.').all(is_identifier) {
        return Err(format!("`table` = \"{table}\" is not an identifier of letters, digits and _"));
    }
    Ok(())
}

/// Refuses text that would end the expression early and so change the statement around it: comments, semicolons, and
/// unbalanced parentheses outside of quotes. All other SQL is allowed, because the operator writes it on purpose.
pub(crate) fn check(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    let (mut quote, mut depth, mut previous) = (None, 0_i32, ' ');
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, ';' | '#') => return Err(format!("must not contain `{c}`")),
            (None, '-') if previous == '-' => return Err("must not contain a comment".to_owned()),
            (None, '*') if previous == '/' => return Err("must not contain a comment".to_owned()),
            (None, _) => {}
        }
        if depth < 0 {
            return Err("closes a parenthesis that it did not open".to_owned());
        }
        previous = c;
    }
    match (quote, depth) {
        (Some(open), _) => Err(format!("leaves a {open} open")),
        (None, 0) => Ok(()),
        (None, _) => Err("leaves a parenthesis open".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_may_hold_quotes_and_parentheses() {
        for good in ["event_type = 'a;b--c'", "(a OR (b AND c))", r"x = 'it\'s'", "a - -1"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn a_name_is_quoted_and_an_expression_is_put_in_parentheses() {
        assert_eq!(sql("customer_id"), "`customer_id`");
        assert_eq!(sql("JSONExtractString(data, 'user')"), "(JSONExtractString(data, 'user'))");
    }
}
