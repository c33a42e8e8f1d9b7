//! Plain tables.

/// A column: its title, and whether its cells stand on the right.
pub(crate) type Column = (&'static str, Side);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The lines of a table. Cells are as wide as the widest of their column, but for the last one.
pub(crate) fn lines(columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
    let width = |place: usize| {
        let cells = rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.chars().count());
        cells.chain([columns[place].0.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let pad = |(place, cell): (usize, &&str)| {
            let missing = " ".repeat(widths[place].saturating_sub(cell.chars().count()));
            match columns[place].1 {
                Side::Left => format!("{cell}{missing}"),
                Side::Right => format!("{missing}{cell}"),
            }
        };
        let cells: Vec<String> = cells.iter().take(columns.len()).enumerate().map(pad).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let titles = line(columns.iter().map(|(title, _)| *title).collect());
    std::iter::once(titles)
        .chain(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other() {
        let rows = [vec!["acme".to_owned(), "12".to_owned()], vec!["日本".to_owned(), "3".to_owned()]];
        assert_eq!(
            lines(&[("who", Side::Left), ("pages", Side::Right)], &rows),
            ["who   pages", "acme     12", "日本        3"]
        );
    }
}
