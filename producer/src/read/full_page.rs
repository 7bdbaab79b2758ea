//! Fills a page of a filtered list. A store reads a bounded number of rows at once and may find few
//! or none among them; a client expects items as long as there are some.

use std::str::FromStr;

use common::{limits::LIST_STEPS, port::PortResult, view::Page};

/// Reads from `cursor` on until there are `most` items, the list ends, or [`LIST_STEPS`] reads are
/// done. `read` takes a cursor and the number of items that are still wanted.
pub async fn full_page<C: FromStr, T, F: Future<Output = PortResult<Page<T>>>>(
    mut cursor: Option<C>,
    most: u32,
    read: impl Fn(Option<C>, u32) -> F,
) -> PortResult<Page<T>> {
    let mut full = read(cursor, most).await?;
    for _ in 1..LIST_STEPS {
        cursor = full.next.as_deref().and_then(|next| next.parse().ok());
        let left = most.saturating_sub(full.items.len() as u32);
        if cursor.is_none() || left == 0 {
            break;
        }
        let page = read(cursor, left).await?;
        full.items.extend(page.items);
        full.next = page.next;
    }
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds the multiples of `of` up to a million, and reads ten numbers at once.
    async fn multiples(of: u64, from: Option<u64>, most: u32) -> PortResult<Page<u64>> {
        let from = from.unwrap_or(1);
        let items: Vec<u64> =
            (from..from + 10).filter(|n| n % of == 0).take(most as usize).collect();
        let full = items.len() == most as usize;
        let next = if full { items.last().map_or(from, |last| last + 1) } else { from + 10 };
        Ok(Page { items, next: (next < 1_000_000).then(|| next.to_string()) })
    }

    #[tokio::test]
    async fn a_page_is_filled_over_many_reads_and_bounded() {
        let of = async |of, from, most| {
            full_page(from, most, |from, most| multiples(of, from, most)).await.expect("a page")
        };
        assert_eq!(
            of(25, None, 3).await,
            Page { items: vec![25, 50, 75], next: Some("76".into()) }
        );
        assert_eq!(of(1, Some(7), 3).await, Page { items: vec![7, 8, 9], next: Some("10".into()) });
        let last = Page { items: vec![999_992, 999_999], next: None };
        assert_eq!(of(7, Some(999_990), 20).await, last);
        let none = of(900_000, None, 1).await;
        let next = Some((LIST_STEPS * 10 + 1).to_string());
        assert_eq!(none, Page { items: vec![], next }, "a short page says where to continue");
    }
}
